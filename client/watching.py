"""Following a run: what people see while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from client.errors import ClientError, ExitCode, Unanswered
from client.failures import explained
from plangate.run_status import RunStatus
from plangate.runs import Phase

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle

POLL_SECONDS = 0.25
QUERY_SECONDS = 3.0
MAX_BACKOFF_SECONDS = 3.0
RESPOND = "respond"
"""The activity that writes the answer; it streams the text through its heartbeats."""
NO_WORKER = "no worker answers; the run is safe, waiting…"
NO_SERVER = "the Temporal server doesn't answer; the run is safe, trying again…"
STUCK_ATTEMPTS = 4
"""Attempts of a workflow task after which something is wrong with the worker's code, not with the network."""


@dataclass(frozen=True)
class View:
    """A run as it is now."""

    status: RunStatus | None
    """None as long as no worker has answered."""
    text: str = ""
    """The answer as far as it is written."""
    trouble: str = ""
    """Why `status` isn't fresh; empty when it is."""
    closed: bool = False
    """It has ended: `Plangate.result` returns at once."""


async def watch(client: Client, run: str, *, poll_seconds: float = POLL_SECONDS) -> AsyncIterator[View]:
    """Yield the run's state, about four times a second, until it has ended.

    A worker or a server that is away is waited for; that is said in `View.trouble`.

    Args:
        client: A connected client.
        run: The run's id; continue-as-new is followed.
        poll_seconds: Time between two questions.

    Raises:
        ClientError: When there is no such run.
    """
    handle = client.get_workflow_handle(run)
    view = View(None)
    backoff = poll_seconds
    while True:
        try:
            view = await _look(client, handle, run)
            backoff = poll_seconds
        except ClientError as error:
            if error.code in (ExitCode.NOT_FOUND, ExitCode.NOT_SET_UP):
                raise
            view = await _without_worker(handle, run, view, error)
            backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)
        yield view
        if view.closed:
            return
        await asyncio.sleep(backoff)


async def _look(client: Client, handle: WorkflowHandle[Any, Any], run: str) -> View:
    from temporalio.client import WorkflowQueryRejectedError
    from temporalio.common import QueryRejectCondition

    limit = timedelta(seconds=QUERY_SECONDS)
    with explained("watch the run", run=run):
        try:
            status: RunStatus = await handle.query(
                "status", result_type=RunStatus, reject_condition=QueryRejectCondition.NOT_OPEN, rpc_timeout=limit
            )
        except WorkflowQueryRejectedError:  # it has ended, which a run that failed at once doesn't know of itself
            status = await handle.query("status", result_type=RunStatus, rpc_timeout=limit)
            return View(status, status.answer, closed=True)
        text = ""
        if status.phase is Phase.ANSWERING:
            text = await _streamed(client, handle)
    return View(status, text or status.answer, closed=status.phase is Phase.ENDED)


async def _without_worker(handle: WorkflowHandle[Any, Any], run: str, view: View, error: ClientError) -> View:
    from temporalio.client import WorkflowExecutionStatus

    if error.code is ExitCode.NO_SERVER:
        return View(view.status, view.text, NO_SERVER)
    try:
        with explained("watch the run", run=run):
            found = await handle.describe(rpc_timeout=timedelta(seconds=QUERY_SECONDS))
    except ClientError as second:
        if second.code is ExitCode.NOT_FOUND:
            raise
        return View(view.status, view.text, NO_SERVER)
    if found.status is not WorkflowExecutionStatus.RUNNING:
        return View(view.status, view.text, closed=True)
    attempt = found.raw_description.pending_workflow_task.attempt
    if attempt >= STUCK_ATTEMPTS:
        return View(
            view.status, view.text, f"a worker fails on this run again and again (attempt {attempt}); see its log"
        )
    return View(view.status, view.text, NO_WORKER if isinstance(error, Unanswered) else error.message)


async def _streamed(client: Client, handle: WorkflowHandle[Any, Any]) -> str:
    """The text that the answering activity has written so far."""
    found: WorkflowExecutionDescription = await handle.describe(rpc_timeout=timedelta(seconds=QUERY_SECONDS))
    for activity in found.raw_description.pending_activities:
        if activity.activity_type.name == RESPOND and activity.heartbeat_details.payloads:
            details = await client.data_converter.decode(activity.heartbeat_details.payloads)
            if details and isinstance(details[0], dict):
                return str(details[0].get("text", ""))
    return ""
