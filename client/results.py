"""What a run ended with, whichever way it ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from client.errors import ClientError, ExitCode
from client.failures import explained
from plangate.errors import ErrorPayload, error_type
from plangate.runs import Outcome, RunResult, RunStatus

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle


async def read_result(client: Client, run: str) -> RunResult:
    """Wait for the end of a run and return its result.

    A failed run carries it in its failure; a cancelled one is asked by query, and so is one that was terminated.

    Raises:
        ClientError: When there is no such run, or the server is gone.
    """
    from temporalio.client import WorkflowFailureError
    from temporalio.exceptions import ApplicationError, CancelledError

    handle = client.get_workflow_handle(run, result_type=RunResult)
    try:
        with explained("wait for the result", run=run):
            result: RunResult = await handle.result()
            return result
    except WorkflowFailureError as failure:
        cause = failure.cause
        if isinstance(cause, ApplicationError):
            return await _failed(handle, run, cause)
        outcome = Outcome.CANCELLED if isinstance(cause, CancelledError) else Outcome.FAILED
        return await _from_status(handle, run, outcome, str(cause))


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
    )
