"""`python -m tests.chaos.run [--seed N] [--runs N]`, which is `make chaos`: a long storm, and what came of it.

Exit code 0 when nothing was doubled, lost or unapproved, else 1. The seed chooses orders, victims, phases and delays.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client

from tests.chaos.cases import Case, make_cases
from tests.chaos.checker import KINDS, Violation, check
from tests.chaos.driving import Customer, persist
from tests.chaos.folder import make_agents
from tests.chaos.killing import Kill, Killer, make_plan
from tests.chaos.records import Records, read_records
from tests.chaos.system import ChaosSystem, running_system

AT_ONCE = 8
RUNS_A_SYSTEM = 40
"""The shop has a limited number of orders; after so many runs the storm goes on with a new system."""


@dataclass
class Storm:
    """What happened in one storm."""

    seed: int
    runs: int = 0
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    landed: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    """Answers of the payment service: `refunded`, `replayed`, `refused`."""
    violations: list[Violation] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """Runs with a violation of a kind."""
        return len({violation.run for violation in self.violations if violation.kind == kind})

    def add(self, other: Storm) -> None:
        """Take over another storm's figures."""
        self.runs += other.runs
        self.seconds += other.seconds
        self.kills += other.kills
        self.landed += other.landed
        self.retried += other.retried
        self.violations += other.violations


async def wave(
    system: ChaosSystem, cases: Sequence[Case], dice: random.Random, plan: Sequence[Kill], storm: Storm
) -> None:
    """Run these cases at once under these kills."""
    client = await persist(lambda: Client.connect(system.address))
    customers = [Customer(client, case, random.Random(dice.random())) for case in cases]
    killer = Killer(system, customers, plan)
    killing = asyncio.create_task(killer.work())
    try:
        await asyncio.gather(*(customer.serve() for customer in customers))
        await killing
    finally:
        killing.cancel()
        storm.kills += killer.victims
        storm.landed += killer.landed


async def judged(system: ChaosSystem, cases: Sequence[Case], storm: Storm) -> Records:
    """Add what the checker finds to the storm."""
    client = await persist(lambda: Client.connect(system.address))
    records = await persist(lambda: read_records(system.data, client))
    storm.runs += len(cases)
    storm.retried.update(row["result"] for row in records.attempts)
    storm.violations += check(cases, records)
    return records


async def one_system(folder: Path, seed: int, runs: int, *, kills: int, at_once: int, sabotage: bool) -> Storm:
    """A storm over one system, in waves."""
    dice, storm, began = random.Random(seed), Storm(seed), time.monotonic()
    cases = make_cases(dice, runs, f"chaos-{seed}", partial=sabotage)
    with running_system(folder, make_agents(folder, sabotage=sabotage)) as system:
        for start in range(0, runs, at_once):
            await wave(system, cases[start : start + at_once], dice, make_plan(dice, kills), storm)
        await judged(system, cases, storm)
    storm.seconds = time.monotonic() - began
    return storm


def print_table(storm: Storm) -> None:
    """The table."""
    rows = {
        "seed": storm.seed,
        "runs": storm.runs,
        "kills": f"{storm.kills.total()}  ({_counts(storm.kills)})",
        "kills met runs in": _counts(storm.landed),
        "payment service": _counts(storm.retried),
        **{kind: storm.count(kind) for kind in KINDS},
        **({"time": f"{storm.seconds:.0f} s"} if storm.seconds else {}),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"  {name:<{width}}  {value}")
    for violation in storm.violations:
        print(f"  ✗ {violation}")
    print("  ✗ the invariants do not hold" if storm.violations else "  ✓ every effect happened exactly once")


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"


def main() -> int:
    """Read the command line, let the storm loose, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=None, help="repeat the storm of this seed (default: a new one)")
    parser.add_argument("--runs", type=int, default=24, help="how many runs (default %(default)s)")
    parser.add_argument("--kills", type=int, default=8, help="kills a wave of runs (default %(default)s)")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="runs at once (default %(default)s)")
    parser.add_argument("--sabotage", action="store_true", help="test of the test: a new key for each attempt")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    print(f"Chaos with seed {seed}: {given.runs} runs, {given.at_once} at once, 2 workers", flush=True)
    whole = Storm(seed)
    for number, start in enumerate(range(0, given.runs, RUNS_A_SYSTEM)):
        runs = min(RUNS_A_SYSTEM, given.runs - start)
        with tempfile.TemporaryDirectory(prefix="plangate-chaos-", ignore_cleanup_errors=True) as folder:
            storm = one_system(
                Path(folder), seed + number, runs, kills=given.kills, at_once=given.at_once, sabotage=given.sabotage
            )
            whole.add(asyncio.run(storm))
    print_table(whole)
    return 1 if whole.violations else 0


if __name__ == "__main__":
    sys.exit(main())
