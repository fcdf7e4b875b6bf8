"""The verdict on a game day: a program of the worker's side judges, by everybody's own records."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from client.errors import ClientError
from client.render.text import ascii_only, clean


async def ask_judge(folder: Path, run: str) -> dict[str, Any]:
    """What `python -m workers.verdict` says: `{holds, findings: [{name, ok, found}]}`.

    Raises:
        ClientError: It couldn't read the records.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "workers.verdict", run, "--json", "--data", str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, trouble = await process.communicate()
    try:
        return dict(json.loads(told))
    except ValueError:
        raise ClientError(f"There is no verdict: {trouble.decode(errors='replace').strip()[-500:]}") from None


def print_verdict(out: Console, verdict: dict[str, Any], *, broke: int, seed: int) -> None:
    """Print the verdict."""
    yes, no = ("x", "!") if ascii_only(out) else ("✔", "✘")
    holds = verdict["holds"]
    head = Text("Verdict", style="bold")
    head.append("  by the records of payment service, mailbox, Temporal and database", style="not bold dim")
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for finding in verdict["findings"]:
        mark = Text(yes, style="green") if finding["ok"] else Text(no, style="bold red")
        words = Text(clean(finding["name"])).append("\n").append(clean(finding["found"]), style="dim")
        table.add_row(mark, words)
    out.print(head)
    out.print(Padding(table, (0, 0, 1, 2), expand=False))
    if holds:
        out.print(Text(f"{yes} The invariants hold.", style="bold green"))
        out.print(f"  {broke} things broke; nothing happened twice, and no money moved without a yes.")
    else:
        out.print(Text(f"{no} The invariants do not hold.", style="bold red"))
    out.print(Text(f"  The same storm again: plangate demo --faults --seed {seed}", style="cyan"), soft_wrap=True)
