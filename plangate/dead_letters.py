"""Dead letters: runs that failed for good, with all that is needed to understand, resume or discard them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from plangate.errors import ErrorPayload
from plangate.runs import RunState


class DeadLetterState(StrEnum):
    """Where a dead letter stands."""

    OPEN = "open"
    RESUMED = "resumed"
    """Its run went on, as another run or by itself."""
    DISCARDED = "discarded"


class DeadLetterCause(StrEnum):
    """How a run came to be a dead letter."""

    FAILED = "failed"
    """It ended as failed and wrote its dead letter itself."""
    TERMINATED = "terminated"
    TIMED_OUT = "timed out"
    UNRECORDED = "failed unrecorded"
    """Temporal has it as failed, and it wrote nothing: its input was wrong, or the database was away."""
    STUCK = "stuck"
    """Its workflow task fails again and again. It is still open, and goes on by itself after a fix."""


class Deed(BaseModel):
    """What a person did about a dead letter."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    action: str
    """`resumed`, `discarded`, `resolved`; by the sweeper `recovered`, `opened again`."""
    by: str = ""
    reason: str = ""
    detail: str = ""
    """The new run's id, or which call was resolved and how."""


class DeadLetter(BaseModel):
    """A run that failed for good."""

    run: str
    agent: str = ""
    agent_version: str = ""
    user: str | None = None
    session: str | None = None
    request: str = ""
    state: DeadLetterState = DeadLetterState.OPEN
    cause: DeadLetterCause = DeadLetterCause.FAILED
    error: ErrorPayload = ErrorPayload()
    trace_id: str | None = None
    failed_at: datetime
    history: list[Deed] = Field(default_factory=list)
    run_state: RunState | None = None
    """Everything the run knew; None when nobody could be asked."""


def of_failure(run: str, state: RunState, *, at: datetime, trace_id: str | None = None) -> DeadLetter:
    """The dead letter of a run that ends as failed."""
    return DeadLetter(
        run=run,
        agent=state.request.agent,
        agent_version=state.agent_version,
        user=state.request.user,
        session=state.request.session,
        request=state.request.request,
        error=state.error or ErrorPayload(message="the run failed"),
        trace_id=trace_id,
        failed_at=at,
        run_state=state,
    )
