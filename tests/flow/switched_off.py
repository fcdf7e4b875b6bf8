"""The test of the proof: the same system without the rules of information flow."""

from __future__ import annotations

from typing import Any

from plangate.policy import Action, Verdict


def let_everything_flow(*_: Any) -> tuple[Verdict, list[Any]]:
    """In the place of `judge_flow`."""
    return Verdict(action=Action.ALLOW), []


def no_check(*_: Any) -> None:
    """In the place of `check_flow`."""
