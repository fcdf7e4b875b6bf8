"""What the command shows to people, and the same as data. A row's value is in neither."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from activities.storage.credentials import CredentialRow
from plangate.visible import visible
from workers import terminal


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
    if not rows:
        terminal.show("No credential has been asked for yet.")
        return
    table = terminal.make_table("Credential", "Agent", "Expires", "Last refresh", "Refreshes", "Shared")
    for row in rows:
        expires = "never" if row.obtained_at and row.expires_at is None else _moment(row.expires_at)
        name = Text(visible(row.name))
        if row.error_type:
            name.append(f"\nlast error: {visible(row.error_type)}: {visible(row.last_error)}", style="red")
        refreshed = Text(_moment(row.obtained_at))
        if row.refreshed_by:
            refreshed.append(f"\nby {visible(row.refreshed_by)}", style="dim")
        table.add_row(
            name,
            Text(visible(row.agent)),
            expires,
            refreshed,
            f"{row.refreshes}{f', {row.failures} failed' if row.failures else ''}",
            "encrypted" if row.value else "no",
        )
    terminal.show(table, "", Text("Times are UTC.", style="dim"))


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""
