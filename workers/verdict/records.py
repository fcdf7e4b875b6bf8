"""What happened, from everybody's own records: Temporal, payment service, mailbox, and the project's database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError

Row = dict[str, Any]
MINE = {
    "ledger": "SELECT key, tool, state, digest, approval_id FROM ledger WHERE run = ?",
    "approvals": "SELECT id, call, tool, digest, status, decided_by FROM approvals WHERE run = ?",
    "decisions": "SELECT approval, digest, status, by FROM decisions WHERE run = ?",
    "runs": "SELECT outcome, ended_at FROM runs WHERE run = ?",
    "dead_letters": "SELECT state, type FROM dead_letters WHERE run = ?",
}


@dataclass(frozen=True)
class Records:
    """The records about one run."""

    run: str
    status: str
    """The last event's type: `WORKFLOW_EXECUTION_COMPLETED`, …"""
    result: Row
    events: list[Row]
    """Scheduled activities and decisions in order: `{kind, name, input}`."""
    refunds: list[Row]
    """All that the payment service has made."""
    attempts: list[Row]
    """All that it was asked."""
    mails: list[Row]
    tables: dict[str, list[Row]] = field(default_factory=dict)
    """The product's rows about the run."""


async def read_records(data: Path, client: Client, run: str) -> Records:
    """Read everything.

    Raises:
        LookupError: There is no such run.
        OSError: A file can't be read.
    """
    events = await _history(client, run)
    payments = data / "support" / "payments.sqlite"
    status, result = _end(events[-1])
    return Records(
        run=run,
        status=status,
        result=result,
        events=[told for event in events if (told := _told(event)) is not None],
        refunds=select(payments, "SELECT * FROM refunds ORDER BY rowid"),
        attempts=select(payments, "SELECT * FROM attempts ORDER BY attempt"),
        mails=[_mail(path) for path in sorted((data / "support" / "mail").glob("*.eml"))],
        tables={name: select(data / "plangate.db", query, run) for name, query in MINE.items()},
    )


def select(file: Path, query: str, *values: object) -> list[Row]:
    """Rows of a SQLite file.

    Raises:
        OSError: It can't be read.
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, values)]
    except sqlite3.Error as error:
        raise OSError(f"{file}: {error}") from None


async def _history(client: Client, run: str) -> list[HistoryEvent]:
    """All events of a run, its earlier lives (continue-as-new) first."""
    found: list[HistoryEvent] = []
    execution: str | None = None
    while True:
        try:
            history = await client.get_workflow_handle(run, run_id=execution).fetch_history()
        except RPCError as error:
            raise LookupError(error.message) from None
        found = [*history.events, *found]
        earlier = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        if not earlier:
            return found
        execution = earlier


def _end(event: HistoryEvent) -> tuple[str, Row]:
    status = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    if event.HasField("workflow_execution_completed_event_attributes"):
        return status, _first(event.workflow_execution_completed_event_attributes.result)
    if event.HasField("workflow_execution_failed_event_attributes"):
        told = event.workflow_execution_failed_event_attributes.failure.application_failure_info.details
        return status, _first(told)
    return status, {}


def _told(event: HistoryEvent) -> Row | None:
    if event.HasField("activity_task_scheduled_event_attributes"):
        call = event.activity_task_scheduled_event_attributes
        return {"kind": "scheduled", "name": call.activity_type.name, "input": _first(call.input)}
    if event.HasField("workflow_execution_signaled_event_attributes"):
        signal = event.workflow_execution_signaled_event_attributes
        return {"kind": "decision", "name": signal.signal_name, "input": _first(signal.input)}
    if event.HasField("workflow_execution_update_accepted_event_attributes"):
        update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
        told = _first(update.args)
        return {"kind": "decision", "name": str(told.get("action", "approve")), "input": told}
    return None


def _first(payloads: Any) -> Row:
    value = json.loads(payloads.payloads[0].data) if payloads.payloads else {}
    return value if isinstance(value, dict) else {}


def _mail(path: Path) -> Row:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    return {"id": str(message["Message-ID"]).strip("<> "), "to": str(message["To"]), "subject": str(message["Subject"])}
