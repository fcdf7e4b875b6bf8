"""What the command shows to people, and the same as data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from plangate.breakers import Breaker, BreakerState

_WORDS = {BreakerState.CLOSED: "up", BreakerState.OPEN: "down", BreakerState.HALF_OPEN: "being probed"}


def line(breaker: Breaker) -> dict[str, Any]:
    """A dependency as data."""
    data = breaker.model_dump(mode="json", exclude={"probe", "window", "openings"})
    latency = breaker.latency_ms
    return {
        **data,
        "latency_ms": None if latency is None else round(latency, 1),
        "recent_calls": len(breaker.window),
        "recent_failures": breaker.recent_failures,
    }


def show(breakers: Sequence[Breaker]) -> None:
    """The dependencies as a table."""
    console = Console()
    if not breakers:
        console.print("No dependency has been called yet.")
        return
    table = Table(
        "Dependency", "State", "Since", "Next probe", "Failed of the latest", "Last error", "Latency", "Calls",
        box=box.SIMPLE_HEAD,
    )  # fmt: skip
    for each in breakers:
        table.add_row(
            escape(each.name),
            _WORDS[each.state],
            _moment(each.opened_at),
            _moment(each.retry_at),
            f"{each.recent_failures} of {len(each.window)}",
            escape(each.last_error),
            "" if each.latency_ms is None else f"{each.latency_ms:,.0f} ms",
            f"{each.calls:,}",
        )
    console.print(table)
    if any(each.state is not BreakerState.CLOSED for each in breakers):
        console.print("Let calls through again with `plangate dependencies --reset NAME`.")


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""
