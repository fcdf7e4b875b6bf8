"""What a run ended with, whichever way it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from client.errors import ClientError, ExitCode
from client.failures import explained
from plangate.errors import ErrorPayload, ErrorType, error_type
from plangate.run_status import RunResult, RunStatus
from plangate.runs import Outcome, Phase, StepStatus

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

_CUT_OFF = {
    StepStatus.RUNNING: "the run was ended meanwhile; whether the call took effect isn't known",
    StepStatus.WAITING: "the run was ended before somebody decided",
}


async def read_result(client: Client, run: str) -> RunResult:
    """Wait for the end of a run and return its result.

    A failed run carries it in its failure; a cancelled one is asked by query, and so is one that was terminated or
    timed out by the server: that didn't let it end its steps.

    Raises:
        ClientError: When there is no such run, or the server is gone.
    """
    from temporalio.client import WorkflowFailureError
    from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, TimeoutError

    handle = client.get_workflow_handle(run, result_type=RunResult)
    try:
        with explained("wait for the result", run=run):
            result: RunResult = await handle.result()
            return result
    except WorkflowFailureError as failure:
        cause = failure.cause
        if isinstance(cause, ApplicationError):
            return await _failed(handle, run, cause)
        if isinstance(cause, (TerminatedError, TimeoutError)):
            return await _stopped(handle, run)
        outcome = Outcome.CANCELLED if isinstance(cause, CancelledError) else Outcome.FAILED
        return await _from_status(handle, run, outcome, str(cause))


def as_ended(status: RunStatus, result: RunResult) -> RunStatus:
    """The status of a run that has ended, also of one that was cut off: its own state doesn't know that."""
    if status.phase is Phase.ENDED:
        return status
    told: dict[str, Any] = {
        "phase": Phase.ENDED,
        "outcome": result.outcome,
        "pending": [],
        "error": status.error or result.error,
    }
    return status.model_copy(update={**told, "steps": result.steps or status.steps})


async def _failed(handle: WorkflowHandle[Any, Any], run: str, cause: Any) -> RunResult:
    details = list(cause.details)
    if details and isinstance(details[0], dict):
        try:
            return RunResult.model_validate(details[0])
        except ValueError:
            pass  # a failure that isn't the product's: told from its status below
    result = await _from_status(handle, run, Outcome.FAILED, cause.message)
    error = result.error or ErrorPayload(type=error_type(cause.type), message=cause.message)
    return result.model_copy(update={"error": error})


async def _stopped(handle: WorkflowHandle[Any, Any], run: str) -> RunResult:
    error, at = await _who_stopped(handle, run)
    result = await _from_status(handle, run, Outcome.FAILED, error.message)
    steps = [
        step
        if step.status.ended
        else step.model_copy(update={"status": StepStatus.CANCELLED, "reason": _CUT_OFF.get(step.status, "")})
        for step in result.steps
    ]
    told = {"outcome": Outcome.FAILED, "error": error, "summary": error.message, "steps": steps, "ended_at": at}
    return result.model_copy(update=told)


async def _who_stopped(handle: WorkflowHandle[Any, Any], run: str) -> tuple[ErrorPayload, datetime | None]:
    """Why the server ended the run, from the last event of its history."""
    from temporalio.client import WorkflowHistoryEventFilterType

    message, at, kind = "The run was ended by the Temporal server.", None, ErrorType.CANCELLED
    with explained("look up how the run ended", run=run):
        async for event in handle.fetch_history_events(
            event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, skip_archival=True
        ):
            at = event.event_time.ToDatetime(UTC)
            if event.HasField("workflow_execution_timed_out_event_attributes"):
                message, kind = (
                    "The run timed out: it took longer than its execution time-out allows.",
                    ErrorType.TIMEOUT,
                )
            elif event.HasField("workflow_execution_terminated_event_attributes"):
                ended = event.workflow_execution_terminated_event_attributes
                by = f" by {ended.identity}" if ended.identity else ""
                message = f"The run was terminated{by}" + (f": {ended.reason}" if ended.reason else ".")
    return ErrorPayload(type=kind, message=message), at


async def _from_status(handle: WorkflowHandle[Any, Any], run: str, outcome: Outcome, why: str) -> RunResult:
    try:
        with explained("ask for the status", run=run):
            status: RunStatus = await handle.query("status", result_type=RunStatus, rpc_timeout=timedelta(seconds=5))
    except ClientError as error:
        if error.code is ExitCode.NO_SERVER:
            raise
        return RunResult(run=run, agent="", outcome=outcome, summary=why, error=ErrorPayload(message=why))
    return RunResult(
        run=run,
        agent=status.agent,
        agent_version=status.agent_version,
        user=status.user,
        request=status.request,
        outcome=status.outcome or outcome,
        answer=status.answer,
        steps=status.steps,
        usage=status.usage,
        revision=status.revision,
        error=status.error,
        started_at=status.started_at,
        confidence=status.confidence,
        doubts=status.doubts,
    )
