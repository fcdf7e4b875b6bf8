"""Activities that ask a model, when it isn't their turn yet or it is down: the run waits on a timer and asks again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows import waiting

with workflow.unsafe.imports_passed_through():
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.pacing import Wait
    from plangate.runs import RunState, Usage
    from plangate.wording import duration


class Timely(Protocol):
    """The result of such an activity."""

    @property
    def early(self) -> Wait | None:
        """When it was not its turn."""

    @property
    def usage(self) -> Usage:
        """What it used, of a turn before the one that it waits for."""


R = TypeVar("R", bound=Timely)
PATIENCE = timedelta(minutes=5)
"""For an endpoint that is down."""


async def in_turn(
    ask: Callable[[int, int], Awaitable[R]],
    state: RunState,
    note: Callable[[str, str, str | None], None],
    publish: Callable[[], None],
    *,
    patience: timedelta = PATIENCE,
) -> R:
    """Run an activity, and again until its turn has come. No time limit holds for that: it is only early.

    An endpoint that is down is waited for as well, without using up attempts, but not without end.

    Args:
        ask: Runs it; takes how often its attempts failed before, and how often it had to wait.
        state: The run's state; says what it waits for.
        note: Adds to the timeline: kind, text, step.
        publish: Shows the state in Temporal.
        patience: How long it may be down.

    Raises:
        ApplicationError: `Unavailable`: it was down for longer.
    """
    failed = rounds = 0
    told, since = "", None
    while True:
        result = await ask(failed, rounds)
        if result.early is None:
            return result
        state.usage = state.usage.plus(result.usage)
        now = workflow.now()
        pause, state.waits = waiting.for_its_turn(result.early, now)
        kind = "blocked" if result.early.down else "early"
        since = (since or now) if result.early.down else None
        if since is not None:
            pause = max(pause, waiting.longer_each_time(now - since))
            if now + pause - since > patience:
                raise _given_up(result.early, patience)
        if not rounds or kind != told:
            note(kind, state.waits, None)
        told, failed, rounds = kind, result.early.failed, rounds + 1
        publish()
        try:
            await workflow.sleep(pause, summary=state.waits)
        finally:
            state.waits = ""


def _given_up(wait: Wait, patience: timedelta) -> ApplicationError:
    message = f"{wait.why} and was not back within the {duration(patience.total_seconds())} that it is waited for"
    payload = ErrorPayload(
        type=ErrorType.UNAVAILABLE, message=message, attempted=wait.dependency, attempts=wait.failed or 1
    )
    return ApplicationError(message, payload.model_dump(mode="json"), type=payload.type.value, non_retryable=True)
