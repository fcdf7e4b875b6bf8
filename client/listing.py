"""Lists over runs, from Temporal's visibility store: one call each, without touching workflows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from client.errors import ClientError, ExitCode
from client.failures import explained
from plangate.approvals import ApprovalRequest
from plangate.runs import WORKFLOW, Outcome, Phase

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution

    from client.connection import Target

INBOX_LIMIT = 1000
"""Runs that an inbox looks at, at most."""
_OPEN = "ExecutionStatus = 'Running'"
_FILTERS = {
    "waiting": f"{_OPEN} AND PlangateStatus = 'waiting for approval'",
    "running": f"{_OPEN} AND PlangateStatus IN ('running', 'admitting')",
    "paused": f"{_OPEN} AND PlangateStatus = 'paused'",
    "failed": "(PlangateStatus = 'failed' OR ExecutionStatus = 'Failed')",
    "cancelled": "(PlangateStatus = 'cancelled' OR ExecutionStatus = 'Canceled')",
    "terminated": "ExecutionStatus = 'Terminated'",
    "timed_out": "ExecutionStatus = 'TimedOut'",
}
"""What a status means to Temporal, where it isn't just the attribute: a run that was terminated keeps the one that it
had, one that failed at once has none."""
STATUSES = [*_FILTERS, *(outcome.value for outcome in Outcome if outcome.value not in _FILTERS)]
"""What runs can be filtered by."""
_SERVERS_WORDS = {"canceled": "cancelled", "continued_as_new": "running"}


class RunLine(BaseModel):
    """One run in a list."""

    model_config = ConfigDict(frozen=True)

    run: str
    agent: str = ""
    user: str = ""
    status: str = ""
    """`running`, `waiting for approval` or `paused`; then the outcome, or `terminated` or `timed_out`."""
    pending: int = 0
    """Approvals that wait."""
    cost_usd: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ui: str = ""


def quote(value: str) -> str:
    """A string of Temporal's list filter."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


async def runs(
    client: Client, target: Target, *, agent: str = "", status: str = "", user: str = "", limit: int = 20
) -> list[RunLine]:
    """Runs that match, those that aren't finished first, then the newest.

    Raises:
        ClientError: `USAGE` when there is no such status.
    """
    wanted = [f"WorkflowType = {quote(WORKFLOW)}"]
    wanted += [f"Plangate{name} = {quote(value)}" for name, value in (("Agent", agent), ("User", user)) if value]
    if status:
        wanted.append(_status_filter(status))
    lines = []
    with explained("list the runs"):
        async for found in client.list_workflows(" AND ".join(wanted), limit=limit):
            lines.append(_line(found, target))
    return lines


def _status_filter(status: str) -> str:
    word = "waiting" if status == Phase.WAITING.value else status
    if word not in STATUSES:
        raise ClientError(
            f"There is no status {status!r}. It can be: {', '.join(STATUSES)}.",
            code=ExitCode.USAGE,
        )
    return _FILTERS.get(word, f"PlangateStatus = {quote(word)}")


def _line(found: WorkflowExecution, target: Target) -> RunLine:
    values = {pair.key.name: pair.value for pair in found.typed_search_attributes}
    closed = found.close_time is not None
    status = str(values.get("PlangateStatus", ""))
    word = found.status.name.lower() if found.status else ""
    if not status or status == Phase.ADMITTING.value or (closed and status not in list(Outcome)):
        status = _SERVERS_WORDS.get(word, word)
    return RunLine(
        run=found.id,
        agent=str(values.get("PlangateAgent", "")),
        user=str(values.get("PlangateUser", "")),
        status=status,
        pending=0 if closed else int(values.get("PlangatePending", 0)),
        cost_usd=values.get("PlangateCostUsd"),
        started_at=found.start_time,
        ended_at=found.close_time,
        ui=target.run_url(found.id),
    )


async def inbox(client: Client) -> list[ApprovalRequest]:
    """Everything that waits, oldest first; the runs' memo has it, a run without one is asked itself."""
    query = f"WorkflowType = {quote(WORKFLOW)} AND ExecutionStatus = 'Running' AND PlangatePending > 0"
    gates: list[ApprovalRequest] = []
    with explained("list what waits"):
        async for found in client.list_workflows(query, limit=INBOX_LIMIT):
            brief = gates_of_memo(await found.memo())
            gates += brief if brief is not None else await _ask(client, found.id)
    return sorted(gates, key=lambda gate: gate.opened_at)


async def _ask(client: Client, run: str) -> list[ApprovalRequest]:
    handle = client.get_workflow_handle(run)
    try:
        with explained("ask what waits", run=run):
            gates: list[ApprovalRequest] = await handle.query(
                "pending_approvals", result_type=list[ApprovalRequest], rpc_timeout=timedelta(seconds=2)
            )
            return gates
    except ClientError:
        return []  # one run that can't answer doesn't hide the others


def gates_of_memo(memo: Any) -> list[ApprovalRequest] | None:
    """The pending approvals that a run's memo holds; None when it doesn't say."""
    found = memo.get("pending") if hasattr(memo, "get") else None
    if found is None:
        return None
    try:
        return [ApprovalRequest.model_validate(gate) for gate in found]
    except (ValidationError, TypeError):
        return None
