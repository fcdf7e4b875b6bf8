"""What happened, read from everybody's own records: payment service, mailbox, the project's database, Temporal.

Plain files, plain SQL, plain histories: no code of the product is used here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

Row = dict[str, Any]


@dataclass(frozen=True)
class Happened:
    """What Temporal knows of one run."""

    status: str
    """Type of the last event: `WORKFLOW_EXECUTION_COMPLETED`, …"""
    result: Row
    events: list[Row]
    """Activities and signals in order: `{id, kind, name, input}`."""


@dataclass(frozen=True)
class Records:
    """Everything there is, after a storm."""

    refunds: list[Row]
    attempts: list[Row]
    mails: list[Row]
    ledger: list[Row]
    approvals: list[Row]
    decisions: list[Row]
    runs: list[Row]
    histories: dict[str, Happened] = field(default_factory=dict)


async def read_records(data: Path, client: Client) -> Records:
    """Read all records of a system's data folder and server."""
    payments, own = data / "support" / "payments.sqlite", data / "plangate.db"
    histories = {run: await _history(client, run) async for run in _runs(client)}
    return Records(
        refunds=select(payments, "SELECT * FROM refunds ORDER BY rowid"),
        attempts=select(payments, "SELECT * FROM attempts ORDER BY attempt"),
        mails=[_mail(path) for path in sorted((data / "support" / "mail").glob("*.eml"))],
        ledger=select(own, "SELECT * FROM ledger"),
        approvals=select(own, "SELECT * FROM approvals"),
        decisions=select(own, "SELECT * FROM decisions"),
        runs=select(own, "SELECT * FROM runs"),
        histories=histories,
    )


def select(file: Path, query: str) -> list[Row]:
    """Rows of a SQLite file."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def _mail(path: Path) -> Row:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    return {"id": str(message["Message-ID"]), "to": str(message["To"]), "subject": str(message["Subject"])}


async def _runs(client: Client) -> AsyncIterator[str]:
    async for found in client.list_workflows("WorkflowType = 'AgentRun'"):
        yield found.id


async def _history(client: Client, run: str) -> Happened:
    history = await client.get_workflow_handle(run).fetch_history()
    events = [described for event in history.events if (described := _event(event)) is not None]
    last = history.events[-1]
    ended = last.workflow_execution_completed_event_attributes
    result = _payload(ended.result) if last.HasField("workflow_execution_completed_event_attributes") else None
    name = EventType.Name(last.event_type).removeprefix("EVENT_TYPE_")
    return Happened(name, result if isinstance(result, dict) else {}, events)


def _event(event: Any) -> Row | None:
    if event.HasField("activity_task_scheduled_event_attributes"):
        about = event.activity_task_scheduled_event_attributes
        return {
            "id": event.event_id,
            "kind": "scheduled",
            "name": about.activity_type.name,
            "input": _payload(about.input),
        }
    if event.HasField("workflow_execution_signaled_event_attributes"):
        about = event.workflow_execution_signaled_event_attributes
        return {"id": event.event_id, "kind": "signal", "name": about.signal_name, "input": _payload(about.input)}
    if event.HasField("activity_task_started_event_attributes"):
        about = event.activity_task_started_event_attributes
        return {"id": event.event_id, "kind": "started", "attempt": about.attempt, "name": "", "input": None}
    return None


def _payload(payloads: Any) -> Any:
    return json.loads(payloads.payloads[0].data) if payloads.payloads else None
