"""The test of the proof: the same system without the rules of information flow and without ownership."""

from __future__ import annotations

from typing import Any

from activities import binding, tool_calls
from plangate.policy import Action, Verdict


def switch_off() -> None:
    """Let everything flow, in this process."""

    def nothing(*_: Any) -> tuple[Verdict, list[Any]]:
        return Verdict(action=Action.ALLOW), []

    binding.judge_flow = nothing
    tool_calls.check_flow = lambda *_: None
