"""The question at the terminal, when what is decided there or elsewhere takes its own ways."""

from __future__ import annotations

import asyncio
import io
from typing import Any, cast

import pytest
from rich.console import Console

from client.cli.asking import Asker
from client.decisions import unconfirmed
from client.errors import ClientError
from client.runs import Plangate
from plangate.approvals import ApprovalDecision, ApprovalRequest
from tests.client.test_render import gate


class Typed:
    """A keyboard on which lines have been typed; then nobody types any more."""

    lines: list[str]

    async def line(self, prompt: str) -> str:
        if self.lines:
            return self.lines.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


class Runs:
    """Plangate as the question sees it."""

    def __init__(self) -> None:
        self.open = [gate()]
        self.ended = False
        self.answers: list[Exception | None] = []
        """What decisions are answered with, in turn; one beyond them is never answered."""
        self.decided: list[ApprovalDecision] = []
        self.signalled: list[ApprovalDecision] = []

    async def pending(self, run: str) -> list[ApprovalRequest]:
        return self.open

    async def has_ended(self, run: str) -> bool:
        return self.ended

    async def decide(self, run: str, decision: ApprovalDecision) -> None:
        self.decided.append(decision)
        if len(self.decided) > len(self.answers):
            await asyncio.Event().wait()
        if error := self.answers[len(self.decided) - 1]:
            raise error

    async def signal(self, run: str, decision: ApprovalDecision) -> None:
        self.signalled.append(decision)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> type[Typed]:
    Typed.lines = []
    monkeypatch.setattr("client.cli.asking.Keyboard", Typed)
    monkeypatch.setattr("client.cli.asking.RECHECK_SECONDS", 0.01)
    return Typed


async def ask(runs: Runs) -> tuple[bool, str]:
    out = io.StringIO()
    asker = Asker(cast(Plangate, runs), Console(file=out, width=300), "ada")
    async with asyncio.timeout(10):
        answered = await asker.ask(gate())
    return answered, out.getvalue()


async def test_a_decision_that_nobody_confirms_is_on_its_way_and_not_asked_for_again(typed: type[Typed]) -> None:
    runs = Runs()
    runs.answers = [unconfirmed("r")]
    typed.lines = ["a"]
    answered, shown = await ask(runs)
    assert answered
    assert "was sent" in shown
    assert "may still count" in shown
    assert "plangate show r" in shown
    assert "not made" not in shown
    assert [one.id for one in runs.signalled] == [runs.decided[0].id], "the same decision: it counts once"


async def test_ones_own_decision_is_not_told_as_somebody_elses(typed: type[Typed]) -> None:
    runs = Runs()
    typed.lines = ["a"]

    async def pending(run: str) -> list[ApprovalRequest]:
        if not runs.decided:
            return [gate()]
        runs.answers = [None, None]  # it was applied, but the answer to the first sending is still under way
        return []

    cast(Any, runs).pending = pending
    answered, shown = await ask(runs)
    assert answered
    assert "Approved by ada" in shown
    assert "elsewhere" not in shown
    assert len({one.id for one in runs.decided}) == 1


async def test_what_became_of_a_sent_decision_is_not_guessed(typed: type[Typed]) -> None:
    runs = Runs()
    typed.lines = ["a"]

    async def pending(run: str) -> list[ApprovalRequest]:
        if not runs.decided:
            return [gate()]
        runs.answers = [None, ClientError("already rejected by bob")]
        return []

    cast(Any, runs).pending = pending
    _, shown = await ask(runs)
    assert "`plangate show r` tells how" in shown
    assert "Approved" not in shown


@pytest.mark.parametrize(("ended", "said"), [(False, "Decided elsewhere"), (True, "The run has ended")])
async def test_the_question_goes_away_with_its_gate_or_with_its_run(typed: type[Typed], ended: bool, said: str) -> None:
    runs = Runs()
    runs.open, runs.ended = ([gate()] if ended else []), ended
    answered, shown = await ask(runs)
    assert answered
    assert said in shown
