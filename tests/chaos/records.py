"""What happened, read from everybody's own records: payment service, mailbox, shop, the project's database, Temporal.

Plain files, plain SQL, plain histories: no code of the product is used here, nor by `checker`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from temporalio.client import Client, WorkflowExecutionStatus

Row = dict[str, Any]
CHANGES = "far_order_changes"
"""The shop's own count of changes, kept by a trigger: changing an address twice ends like changing it once."""
_ENDS = {
    "workflow_execution_completed_event_attributes": "completed",
    "workflow_execution_failed_event_attributes": "failed",
    "workflow_execution_canceled_event_attributes": "cancelled",
    "workflow_execution_terminated_event_attributes": "terminated",
    "workflow_execution_timed_out_event_attributes": "timed out",
    "workflow_execution_continued_as_new_event_attributes": "continued",
}


@dataclass(frozen=True)
class Execution:
    """One execution of a run; a run that continued as new has several."""

    id: str
    status: str
    """`running`, or how it ended: see `_ENDS`."""
    result: Row
    """What it completed with, or the first detail of its failure."""
    events: list[Row]
    """Calls scheduled, decisions that came in, in order: `{at, id, kind, name, input}`."""
    length: int
    """Events in the history."""
    started: datetime
    ended: datetime
    """The moment of the last event."""
    largest: int = 0
    """Bytes of the largest event."""


@dataclass
class Records:
    """Everything there is."""

    refunds: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    mails: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    """Of the shop's orders: `{order_id, what, address, cancel_reason}`."""
    tables: dict[str, list[Row]] = field(default_factory=dict)
    histories: dict[str, list[Execution]] = field(default_factory=dict)
    """By run, the first execution first."""
    leaks: list[str] = field(default_factory=list)
    """Where a secret was found."""
    searched: int = 0
    """Bytes searched for secrets."""

    def of(self, table: str, **wanted: object) -> list[Row]:
        """Rows of a table of the project's database."""
        return [row for row in self.tables[table] if all(row[name] == value for name, value in wanted.items())]


async def read_records(
    data: Path, client: Client, *, database_url: str = "", services: Path | None = None, secrets: Sequence[str] = ()
) -> Records:
    """Read all records.

    Args:
        data: The data folder.
        client: Connected to the Temporal server.
        database_url: Of the project's database; by default the SQLite file in the data folder.
        services: Folder of the payment service and the mailbox; by default `support` in the data folder.
        secrets: Texts that must be nowhere.
    """
    services = services or data / "support"
    records, leaks = Records(), Leaks(secrets)
    payments = services / "payments.sqlite"
    if payments.exists():
        records.refunds = select(payments, "SELECT * FROM refunds ORDER BY rowid")
        records.attempts = select(payments, "SELECT * FROM attempts ORDER BY attempt")
        leaks.search("payment service", repr((records.refunds, records.attempts)).encode())
    for path in sorted((services / "mail").glob("*.eml")):
        raw = path.read_bytes()
        records.mails.append(_mail(path, raw))
        leaks.search(f"e-mail {path.name}", raw)
    records.tables = await read_tables(data, database_url)
    for name, rows in records.tables.items():
        leaks.search(f"table {name}", "\n".join(map(repr, rows)).encode("utf-8", "replace"))
    records.changes = [_change(row) for row in records.tables.get(CHANGES, [])]
    for log in sorted((data / "logs").rglob("*")):
        if log.is_file():
            leaks.search(f"log {log.name}", log.read_bytes())
    await _read_histories(client, records, leaks)
    records.leaks, records.searched = leaks.found, leaks.searched
    return records


class Leaks:
    """Looks for secrets.

    Args:
        secrets: Texts that must be nowhere.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self.found: list[str] = []
        self.searched = 0
        self._secrets = [secret.encode() for secret in secrets]

    def search(self, where: str, content: bytes) -> None:
        self.searched += len(content)
        self.found += [where for secret in self._secrets if secret in content]


def select(file: Path, query: str) -> list[Row]:
    """Rows of a SQLite file."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


async def read_tables(data: Path, database_url: str = "") -> dict[str, list[Row]]:
    """Every table of the project's database, by plain SQL; moments are aware, in UTC."""
    scheme = urlsplit(database_url).scheme
    if not scheme or scheme.startswith("sqlite"):
        file = Path(database_url.partition("///")[2]) if scheme else data / "plangate.db"
        listed = select(
            file, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_fts%' ESCAPE '\\'"
        )
        names = [row["name"] for row in listed if not row["name"].startswith("sqlite_")]
        return {name: _typed(select(file, f'SELECT * FROM "{name}"')) for name in names}
    import asyncpg

    connection = await asyncpg.connect(plain_postgres(database_url))
    try:
        listed = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            row["tablename"]: [dict(each) for each in await connection.fetch(f'SELECT * FROM "{row["tablename"]}"')]
            for row in listed
        }
    finally:
        await connection.close()


def plain_postgres(url: str) -> str:
    """A database URL without SQLAlchemy's driver."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="postgresql"))


def _typed(rows: list[Row]) -> list[Row]:
    for row in rows:
        for name, value in row.items():
            if name.endswith("_at") and isinstance(value, str):
                row[name] = datetime.fromisoformat(value).replace(tzinfo=UTC)
    return rows


def _mail(path: Path, raw: bytes) -> Row:
    message = message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain",))
    text = body.get_content().replace("\r\n", "\n") if body is not None else ""
    about = {"id": str(message["Message-ID"]).strip().strip("<>"), "to": str(message["To"])}
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return {**about, "subject": str(message["Subject"]), "text": text, "at": at, "file": path.name}


def _change(row: Row) -> Row:
    address = {name: row[name] for name in ("name", "line1", "line2", "city", "postcode", "country")}
    cancelled = row["status"] == "cancelled" and row["status_before"] != "cancelled"
    again = row["status"] == "cancelled" and row["status_before"] == "cancelled"
    what = "cancel_order" if cancelled or again else "change_address"
    return {"order_id": row["order_id"], "what": what, "address": address, "reason": row["cancel_reason"]}


async def _read_histories(client: Client, records: Records, leaks: Leaks) -> None:
    found: dict[str, list[Execution]] = {}
    async for each in client.list_workflows("WorkflowType = 'AgentRun'"):
        handle = client.get_workflow_handle(each.id, run_id=each.run_id)
        history = await handle.fetch_history()
        for event in history.events:
            leaks.search(f"history of {each.id}", event.SerializeToString())
        described = await handle.describe()
        leaks.search(f"description of {each.id}", described.raw_description.SerializeToString())
        found.setdefault(each.id, []).append(_execution(each.run_id, history.events, described.status))
    for executions in found.values():
        executions.sort(key=lambda each: each.started)
    records.histories = found


def _execution(run_id: str, events: Sequence[Any], status: WorkflowExecutionStatus | None) -> Execution:
    last = events[-1]
    ended = next((name for name in _ENDS if last.HasField(name)), "")
    result: Any = None
    if ended == "workflow_execution_completed_event_attributes":
        result = _payload(last.workflow_execution_completed_event_attributes.result)
    elif ended == "workflow_execution_failed_event_attributes":
        failure = last.workflow_execution_failed_event_attributes.failure
        result = _payload(failure.application_failure_info.details)
    described = [told for event in events for told in _told(event)]
    began = events[0].event_time.ToDatetime(UTC)
    how = _ENDS[ended] if ended else "running"
    if not ended and status is not None and status is not WorkflowExecutionStatus.RUNNING:
        how = status.name.lower()
    outcome, over = result if isinstance(result, dict) else {}, last.event_time.ToDatetime(UTC)
    largest = max(event.ByteSize() for event in events)
    return Execution(run_id, how, outcome, described, len(events), began, over, largest)


def _told(event: Any) -> Iterator[Row]:
    at, number = event.event_time.ToDatetime(UTC), event.event_id
    if event.HasField("workflow_execution_started_event_attributes"):
        about = event.workflow_execution_started_event_attributes
        yield {"at": at, "id": number, "kind": "started", "name": "", "input": _payload(about.input)}
    elif event.HasField("activity_task_scheduled_event_attributes"):
        about = event.activity_task_scheduled_event_attributes
        kind, name = "scheduled", about.activity_type.name
        yield {"at": at, "id": number, "kind": kind, "name": name, "input": _payload(about.input)}
    elif event.HasField("activity_task_started_event_attributes"):
        about = event.activity_task_started_event_attributes
        call, attempt = about.scheduled_event_id, about.attempt
        yield {"at": at, "id": number, "kind": "attempt", "name": "", "input": None, "call": call, "attempt": attempt}
    elif event.HasField("workflow_execution_signaled_event_attributes"):
        about = event.workflow_execution_signaled_event_attributes
        yield {"at": at, "id": number, "kind": "decision", "name": about.signal_name, "input": _payload(about.input)}
    elif event.HasField("workflow_execution_update_accepted_event_attributes"):
        request = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
        given = _payload(request.args)
        name = given.get("action", "approve") if isinstance(given, dict) else ""
        yield {"at": at, "id": number, "kind": "decision", "name": name, "input": given}


def _payload(payloads: Any) -> Any:
    if not payloads.payloads:
        return None
    try:
        return json.loads(payloads.payloads[0].data)
    except ValueError:
        return None
