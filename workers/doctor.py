"""`plangate doctor`: what is reachable, what is missing, what to do. Looks only; changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter

from rich.console import Console
from rich.markup import escape

from plangate.exits import exit_with
from workers.checks import Check, Finding, Surroundings, check_all
from workers.health_checks import check_health

_MARKS = {Finding.OK: "[green]✓[/green]", Finding.WARN: "[yellow]![/yellow]", Finding.FAIL: "[red]✗[/red]"}


def print_for_people(checks: list[Check]) -> None:
    """One line a check; below what isn't ok, what to do."""
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(check.name) for check in checks)
    for check in checks:
        console.print(f"{_MARKS[check.finding]} [bold]{check.name:<{width}}[/bold]  {escape(check.found)}")
        for line in check.to_do.splitlines():
            console.print(f"  {'':<{width}}  → {escape(line)}")
    counts = Counter(check.finding for check in checks)
    if counts[Finding.FAIL]:
        console.print(f"\n[bold red]{counts[Finding.FAIL]} of {len(checks)} checks fail.[/bold red]")
    elif counts[Finding.WARN]:
        console.print(f"\n[bold]Nothing fails; {counts[Finding.WARN]} to look at.[/bold]")
    else:
        console.print("\n[bold green]All is well.[/bold green]")


async def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code: 0 when nothing fails, 1 otherwise."""
    where = Surroundings.find(options.data)
    checks = [*await check_all(where), *await check_health(where)]
    ok = all(check.finding is not Finding.FAIL for check in checks)
    if options.json:
        print(json.dumps({"ok": ok, "checks": [check.as_json() for check in checks]}))
    else:
        print_for_people(checks)
    return 0 if ok else 1


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, look, report."""
    parser = argparse.ArgumentParser(prog="plangate doctor", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="data folder (default: PLANGATE_DATA, else ./.plangate)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return asyncio.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    exit_with(main)
