"""The command about guardrails.

Exit codes are those of the client: 0 done, 2 wrong usage, 3 no database, 70 a defect of Plangate. With `--json` errors
are JSON too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from activities.guardrails.contracts import Guardrail
from activities.guardrails.registry import ACTION, INPUT, OUTPUT
from activities.storage.engine import configured_url
from activities.storage.store import Store
from activities.storage.verdicts import VerdictCount, verdict_counts
from workers.connection import data_folder
from workers.costs.commands import moment
from workers.telling import judged, run_command, write

_LINES: list[Guardrail[Any]] = [*INPUT, *ACTION, *OUTPUT]
_ABOUT = {guard.name: guard.about for guard in _LINES}
_SAID = {"change": "Changed", "ask": "Asked", "draft": "Drafted", "block": "Blocked"}
_OTHERS = "Limits of a whole run, and what belongs to no line of the registry."

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def guardrails(
    since: Annotated[str, typer.Option("--since", metavar="WHEN", help="24h, 7d, 2w, or 2026-03-31.")] = "",
    agent: Annotated[str, typer.Option("--agent", metavar="AGENT", help="Only this agent (else all together).")] = "",
    rules: Annotated[bool, typer.Option("--rules", help="Count each rule by itself.")] = False,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="Data folder (else PLANGATE_DATA, .plangate).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Show every guardrail, and how often it said what in runs that ended."""
    start = moment(since) if since else None

    async def work() -> None:
        async with await Store.open(configured_url(data_folder(data))) as store:
            found = await verdict_counts(store, since=start, agent=agent)
        if as_json:
            write({"guardrails": [_line(name, found) for name in _names(found)]})
        elif rules:
            _show_rules(found)
        else:
            _show(found)

    asyncio.run(work())


def _names(found: Sequence[VerdictCount]) -> list[str]:
    return [*_ABOUT, *sorted({row.guard for row in found} - _ABOUT.keys())]


def _line(name: str, found: Sequence[VerdictCount]) -> dict[str, Any]:
    mine = [row for row in found if row.guard == name]
    said: dict[str, int] = {}
    for row in mine:
        said[row.action] = said.get(row.action, 0) + row.times
    rules = [row.model_dump(exclude={"guard"}) for row in mine]
    return {"guardrail": name, "about": _ABOUT.get(name, _OTHERS), "said": said, "rules": rules}


def _show(found: Sequence[VerdictCount]) -> None:
    """A line of counts for each, and what it does under it, in the whole width."""
    console = Console(highlight=False)
    names = {name: name or "(others)" for name in _names(found)}
    width = max(map(len, names.values()))
    console.print(f"{'Guardrail':<{width}}" + "".join(f"{heading:>9}" for heading in _SAID.values()), style="bold")
    for name, shown in names.items():
        line = _line(name, found)
        counts = [line["said"].get(action, 0) for action in _SAID]
        console.print(f"{shown:<{width}}" + "".join(f"{n or '·':>9}" for n in counts), markup=False)
        console.print(Padding(Text(line["about"], style="dim"), (0, 0, 0, 2)))


def _show_rules(found: Sequence[VerdictCount]) -> None:
    table = Table("Guardrail", "Rule", "Says", box=box.SIMPLE_HEAD)
    for heading in ("Times", "Runs"):
        table.add_column(heading, justify="right")
    for row in found:
        table.add_row(escape(row.guard or "(others)"), escape(row.rule), row.action, f"{row.times:,}", f"{row.runs:,}")
    console = Console()
    if found:
        console.print(table)
    else:
        console.print("No guardrail said anything but allow.")


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    return run_command(app, arguments, name="plangate guardrails", judge=judged)
