"""What the command says of answers that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from activities.storage.drifts import SeenDrift
from plangate.replies import DifferenceKind
from plangate.visible import visible
from workers.terminal import make_table
from workers.terminal import show as terminal_show

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
    table = make_table("Answers of", "Tool", "What changed", "Fits", "Times", "First", "Last")
    table.columns[4].justify = "right"
    for each in found[:SHOWN]:
        table.add_row(
            Text(visible(each.dependency)),
            Text(visible(each.tool)),
            Text(visible(each.what)),
            "yes" if each.kind == DifferenceKind.ADDITION.value else "no",
            f"{each.count:,}",
            each.first_seen.strftime("%Y-%m-%d %H:%M:%S"),
            each.last_seen.strftime("%Y-%m-%d %H:%M:%S"),
        )
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    terminal_show("", table, *more)
