"""The chaos table: for the terminal, and for docs/reliability.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.chaos.checker import KINDS
from tests.chaos.matrix import Cell
from tests.chaos.rig import ROOT
from tests.chaos.scene import Figures

if TYPE_CHECKING:
    from tests.chaos.run import Progress

DOCS = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos: begin, written by `make chaos ARGS=--write-docs` -->", "<!-- chaos: end -->"


def print_table(cells: Iterable[Cell], progress: Progress) -> None:
    """The table, in the terminal."""
    print(f"\n  {'cell':<34} {'faults':>11} {'runs':>6}  {'  '.join(KINDS)}")
    for cell in cells:
        figures, systems = progress.load(cell)
        if not systems:
            continue
        counts = "  ".join(f"{figures.count(kind):>{len(kind)}}" for kind in KINDS)
        faults = f"{figures.faults:,}/{cell.required:,}"
        verdict = f"  finds {cell.finds}" if cell.finds else ""
        print(f"  {cell.name:<34} {faults:>11} {figures.runs:>6}  {counts}{verdict}")
        for violation in [] if cell.finds else figures.violations[:10]:
            print(f"    ✗ {violation['kind']}: {violation['run']}: {violation['text']}")
    good = holds(cells, progress)
    print("  ✓ every effect happened exactly once, or somebody is told" if good else "  ✗ the invariants do not hold")


def holds(cells: Iterable[Cell], progress: Progress) -> bool:
    """Whether nothing was found, and everything in the tests of the test."""
    for cell in cells:
        figures, systems = progress.load(cell)
        if systems and bool(figures.violations) != bool(cell.finds):
            return False
        if systems and cell.finds and not figures.count(cell.finds):
            return False
    return True


def write_docs(cells: Iterable[Cell], progress: Progress) -> None:
    """Replace the tables in the documentation by what there is."""
    text = DOCS.read_text(encoding="utf-8")
    table = "\n".join(_markdown(list(cells), progress))
    replaced, times = re.subn(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{table}\n\n{END}", text, flags=re.S
    )
    assert times == 1, f"{DOCS} has no place for the table"
    DOCS.write_text(replaced, encoding="utf-8")


def _markdown(cells: list[Cell], progress: Progress) -> Iterator[str]:
    commits = ", ".join(sorted({_told(progress.path(cell)).get("commit", "") for cell in cells} - {""}))
    command = f"make chaos ARGS=\"--seed {progress.seed} --only 'CELL'\""
    yield f"Seed {progress.seed}; commit {commits}. Each row by itself: `{command}`."
    for group in dict.fromkeys(cell.group for cell in cells):
        members = [cell for cell in cells if cell.group == group]
        yield from (
            "",
            f"### {group}",
            "",
            "| Fault | Cell | Struck | Required | Runs | Effects | Doubles | Unapproved | Lost | Leaks |",
        )
        yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
        for cell in members:
            figures, systems = progress.load(cell)
            yield _row(cell, figures) if systems else _not_played(cell)
    yield from ("", *_totals(cells, progress))


def _title(cell: Cell) -> str:
    if not cell.name.endswith(cell.database):
        return cell.title
    return f"{cell.title}, {'SQLite' if cell.database == 'sqlite' else 'PostgreSQL'}"


def _not_played(cell: Cell) -> str:
    return f"| {_title(cell)} | `{cell.name}` | not played | {cell.required:,} |{' |' * 6}"


def _row(cell: Cell, figures: Figures) -> str:
    counts = [figures.count(kind) for kind in ("doubles", "unapproved", "lost", "leaks")]
    shown = [f"**{count}**" if count and not cell.finds else str(count) for count in counts]
    cut = "" if figures.faults >= cell.required else " (fewer)"
    numbers = [
        f"{figures.faults:,}{cut}",
        f"{cell.required:,}",
        f"{figures.runs:,}",
        f"{figures.effects.total():,}",
        *shown,
    ]
    return f"| {_title(cell)} | `{cell.name}` | {' | '.join(numbers)} |"


def _totals(cells: list[Cell], progress: Progress) -> Iterator[str]:
    whole = Figures()
    for cell in cells:
        if not cell.finds:
            whole.add(progress.load(cell)[0])
    searched = whole.what["bytes searched for secrets"] / 1e6
    repeated = whole.what["requests repeated under their key"]
    by_rule = sum(times for what, times in whole.allowed.items() if what.startswith("rule"))
    yield "All of them together, without the tests of the test:"
    yield ""
    yield f"- {whole.runs:,} runs ended as {_list(whole.states)}."
    people = whole.allowed[PERSON]
    yield f"- {whole.effects.total():,} effects: {_list(whole.effects)}."
    yield f"- {people:,} of them were allowed by a person's decision, {by_rule:,} by a rule of the scope."
    yield f"- {repeated:,} requests to the payment service came again under a key that it knew, and had no effect."
    deaths = [times for what, times in whole.what.items() if what.startswith("worker: ")]
    yield f"- Workers died {sum(deaths):,} times."
    where = "histories, tables, logs, e-mails and the payment service's book"
    yield f"- {searched:,.0f} MB of {where} were searched for the seeded key and password."


PERSON = "a person's decision"


def _list(counter: Any) -> str:
    return ", ".join(f"{name} {times:,}" for name, times in counter.most_common())


def _told(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
