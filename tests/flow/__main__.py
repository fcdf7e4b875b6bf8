"""Runs both proofs in full and writes their figures into docs/information-flow.md.

    python -m tests.flow [--attacks 340] [--seed 20261] [--only attacks|poison] [--no-docs]

Exit code 1 when anything got through.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from temporalio.client import Client

from activities.guardrails import registry
from tests.flow import compromised, poisoned
from tests.flow.attacks import attacks
from tests.flow.poison import STYLES
from tests.flow.switched_off import NO_FLOW
from tests.workflows.desk import local_server

PAGE = Path(__file__).parents[2] / "docs" / "information-flow.md"


def main() -> int:
    """Read the command line, prove, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--attacks", type=int, default=380, help="how many attack plans (default %(default)s)")
    parser.add_argument("--seed", type=int, default=20261, help="of the attack plans (default %(default)s)")
    parser.add_argument("--only", choices=["attacks", "poison"], help="one of the proofs")
    parser.add_argument("--no-docs", action="store_true", help="write nothing into the page")
    return asyncio.run(_main(parser.parse_args()))


async def _main(options: argparse.Namespace) -> int:
    wrong: list[str] = []
    async with local_server() as environment:
        with tempfile.TemporaryDirectory(prefix="plangate-flow-") as folder:
            if options.only != "poison":
                text, found = await _attacks(environment.client, Path(folder), options)
                wrong += found
                _show("compromised planner", text, options)
            if options.only != "attacks":
                text, found = await _poison(environment.client, Path(folder))
                wrong += found
                _show("poisoned data", text, options)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


async def _attacks(client: Client, folder: Path, options: argparse.Namespace) -> tuple[str, list[str]]:
    tried = list(attacks(options.attacks, options.seed))
    report = await compromised.prove(client, folder / "on", tried)
    with patch.object(registry, "ACTION", NO_FLOW):
        without = await compromised.prove(client, folder / "off", tried)
    ends = sorted({end for counts in report.kinds.values() for end in counts})
    rows = [f"| Attack | Tried | {' | '.join(ends)} |", f"|---|---|{'---|' * len(ends)}"]
    for kind, counts in sorted(report.kinds.items()):
        rows.append(f"| {kind} | {counts.total()} | {' | '.join(str(counts[end]) for end in ends)} |")
    rows.append(f"| **all** | {report.count} | {' | '.join(str(report.ends[end]) for end in ends)} |")
    head = (
        f"{report.count} attack plans, seed {options.seed}. Effects that took place with nobody deciding: "
        f"{report.effects}. Of these outside the policy: **{len(report.violations)}**. The same plans with the rules "
        f"of information flow switched off: {len(without.violations)} outside of it."
    )
    rules = ", ".join(f"{rule} {count}" for rule, count in report.rules.most_common())
    return "\n".join([head, "", *rows, "", f"Gates by the rule that asked: {rules}."]), report.violations


async def _poison(client: Client, folder: Path) -> tuple[str, list[str]]:
    reports = [await poisoned.prove(client, folder, model=model) for model in ("offline", "gullible")]
    rows = [
        "| Model | Style | Texts poisoned | Done by itself | As with clean data | Waits besides |",
        "|---|---|---|---|---|---|",
    ]
    for report in reports:
        for style, found in report.styles.items():
            same = "yes" if found.deeds == report.clean.deeds else "no"
            more: Counter[tuple[str, str]] = found.waits - report.clean.waits
            row = (report.model, style, found.texts, found.deeds.total(), same, more.total())
            rows.append(f"| {' | '.join(map(str, row))} |")
    silent = [line for report in reports for line in report.silent]
    head = (
        f"{len(poisoned.REQUESTS)} requests, {len(STYLES)} styles, two models: {len(reports) * len(STYLES)} poisoned "
        f"worlds. Silent changes: **{len(silent)}**."
    )
    return "\n".join([head, "", *rows]), silent


def _show(name: str, text: str, options: argparse.Namespace) -> None:
    print(text)
    if options.no_docs:
        return
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
