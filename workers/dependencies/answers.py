"""What the command says of answers that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from activities.storage.drifts import SeenDrift
from plangate.replies import DifferenceKind

SHOWN = 20
"""Differences listed for people at most."""


def lines(found: Sequence[SeenDrift]) -> list[dict[str, Any]]:
    """The differences as data."""
    return [
        {**asdict(each), "first_seen": each.first_seen.isoformat(), "last_seen": each.last_seen.isoformat()}
        for each in found
    ]


def show(found: Sequence[SeenDrift]) -> None:
    """The differences as a table; nothing when there are none."""
    if not found:
        return
    console = Console()
    table = Table(
        "Answers of", "Tool", "What changed", "Fits", "Times", "First", "Last",
        box=box.SIMPLE_HEAD,
    )  # fmt: skip
    for each in found[:SHOWN]:
        table.add_row(
            escape(each.dependency),
            escape(each.tool),
            escape(each.what),
            "yes" if each.kind == DifferenceKind.ADDITION.value else "no",
            f"{each.count:,}",
            each.first_seen.strftime("%Y-%m-%d %H:%M:%S"),
            each.last_seen.strftime("%Y-%m-%d %H:%M:%S"),
        )
    console.print(table)
    if len(found) > SHOWN:
        console.print(f"and {len(found) - SHOWN} more", highlight=False)
