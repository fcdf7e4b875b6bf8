"""The agent `desk` with other limits, for one test."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.workflows.desk import AGENTS


def limited(folder: Path, *, sections: str = "", **limits: str) -> Path:
    """A folder of agents with a `desk` whose scope says something else.

    Args:
        folder: Where to put it.
        sections: Further sections of the scope.
        limits: Value, and after `|` what happens then, by the limit's name with `_` for blanks.
    """
    agents = folder / "agents"
    shutil.copytree(AGENTS, agents, ignore=shutil.ignore_patterns("__pycache__"))
    scope = agents / "desk" / "scope.md"
    text = scope.read_text(encoding="utf-8")
    rows = ""
    for name, limit in limits.items():
        words = name.replace("_", " ")
        text = re.sub(rf"\| {words} \|.*\n", "", text)
        value, _, then = limit.partition("|")
        usual = "a partial answer" if name == "Time_for_a_run" else "a person takes over"
        rows += f"| {words} | {value.strip()} | {then.strip() or usual} |\n"
    head = "| Limit | Value | When reached |\n|---|---|---|\n"
    scope.write_text(f"{text.replace(head, head + rows)}\n{sections}", encoding="utf-8")
    return agents
