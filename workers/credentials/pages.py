"""What the command shows to people, and the same as data. A row's value is in neither."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from activities.storage.credentials import CredentialRow


def line(row: CredentialRow) -> dict[str, Any]:
    """A credential as data."""
    return {
        "name": row.name,
        "agent": row.agent,
        "expires_at": _iso(row.expires_at),
        "refreshed_at": _iso(row.obtained_at),
        "refreshed_by": row.refreshed_by,
        "refreshes": row.refreshes,
        "failures": row.failures,
        "last_error": {"type": row.error_type, "message": row.last_error, "at": _iso(row.failed_at)}
        if row.error_type
        else None,
        "shared": bool(row.value),
    }


def show(rows: Sequence[CredentialRow]) -> None:
    """The credentials as a table."""
    console = Console()
    if not rows:
        console.print("No credential has been asked for yet.")
        return
    table = Table(
        "Credential", "Agent", "Expires", "Last refresh", "By worker", "Refreshes", "Shared", "Last error",
        box=box.SIMPLE_HEAD,
    )  # fmt: skip
    for row in rows:
        expires = "never" if row.obtained_at and row.expires_at is None else _moment(row.expires_at)
        failed = f" ({row.failures} failed)" if row.failures else ""
        table.add_row(
            escape(row.name),
            escape(row.agent),
            expires,
            _moment(row.obtained_at),
            escape(row.refreshed_by),
            f"{row.refreshes}{failed}",
            "yes, encrypted" if row.value else "no",
            escape(f"{row.error_type}: {row.last_error}" if row.error_type else ""),
        )
    console.print(table)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""
