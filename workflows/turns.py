"""Activities that ask a model, when it isn't their turn yet: the run waits on a timer and asks again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from temporalio import workflow

from workflows import waiting

with workflow.unsafe.imports_passed_through():
    from plangate.pacing import Wait
    from plangate.runs import RunState, Usage


class Timely(Protocol):
    """The result of such an activity."""

    @property
    def early(self) -> Wait | None:
        """When it was not its turn."""

    @property
    def usage(self) -> Usage:
        """What it used, of a turn before the one that it waits for."""


R = TypeVar("R", bound=Timely)


async def in_turn(
    ask: Callable[[int, int], Awaitable[R]],
    state: RunState,
    note: Callable[[str, str, str | None], None],
    publish: Callable[[], None],
) -> R:
    """Run an activity, and again until its turn has come. No time limit holds for that: it is only early.

    Args:
        ask: Runs it; takes how often its attempts failed before, and how often it had to wait.
        state: The run's state; says what it waits for.
        note: Adds to the timeline: kind, text, step.
        publish: Shows the state in Temporal.
    """
    failed = rounds = 0
    while True:
        result = await ask(failed, rounds)
        if result.early is None:
            return result
        state.usage = state.usage.plus(result.usage)
        pause, state.waits = waiting.for_its_turn(result.early, workflow.now())
        if not rounds:
            note("early", state.waits, None)
        failed, rounds = result.early.failed, rounds + 1
        publish()
        try:
            await workflow.sleep(pause, summary=state.waits)
        finally:
            state.waits = ""
