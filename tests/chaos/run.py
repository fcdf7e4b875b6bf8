"""`python -m tests.chaos.run`, which is `make chaos`: plays the matrix, cell by cell, and prints the table.

    make chaos                                  all of it; goes on where it was stopped
    make chaos ARGS="--only 'kill:*:sqlite'"    some cells
    make chaos ARGS="--scale 0.1 --fresh"       a tenth of it, from the beginning
    make chaos ARGS=--write-docs                the table into docs/reliability.md

The seed is printed and chooses everything that is left to chance: orders, amounts, what people say, which calls die.
Exit code 0 when nothing was doubled, lost, unapproved or leaked, and both tests of the test found what they have to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import math
import secrets
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from temporalio.runtime import Runtime, TelemetryConfig

from tests.chaos import report
from tests.chaos.matrix import Cell, chosen
from tests.chaos.rig import ROOT
from tests.chaos.scene import Figures, playing, scene_folder, shown
from tests.postgres import NotAvailable, Postgres, running_postgres

STATE = Path(".chaos")


class Progress:
    """The figures so far, in a folder: one file a cell.

    Args:
        folder: Where.
        seed: The seed to begin with; that of the folder is kept when it has one.
    """

    def __init__(self, folder: Path, seed: int | None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        known = folder / "seed"
        if seed is None:
            seed = int(known.read_text()) if known.exists() else secrets.randbelow(1_000_000)
        elif known.exists() and int(known.read_text()) != seed:
            raise SystemExit(f"{folder} has figures of the seed {known.read_text()}; add --fresh to forget them")
        known.write_text(str(seed))
        self.seed = seed

    def path(self, cell: Cell) -> Path:
        """A cell's file."""
        return self.folder / f"{cell.name.replace(':', '.')}.json"

    def load(self, cell: Cell) -> tuple[Figures, int]:
        """A cell's figures so far, and of how many systems."""
        path = self.path(cell)
        if not path.exists():
            return Figures(), 0
        told = json.loads(path.read_text(encoding="utf-8"))
        return Figures.of_json(told["figures"]), told["systems"]

    def save(self, cell: Cell, figures: Figures, systems: int, wanted: int) -> None:
        """Keep a cell's figures."""
        told = {
            "cell": cell.name,
            "seed": self.seed,
            "commit": commit(),
            "systems": systems,
            "wanted": wanted,
            "figures": figures.as_json(),
        }
        draft = self.path(cell).with_suffix(".part")
        draft.write_text(json.dumps(told, indent=1), encoding="utf-8")
        draft.replace(self.path(cell))


def commit() -> str:
    """The commit that was tried."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def seed_of(seed: int, cell: Cell, number: int) -> int:
    """The seed of a cell's nth system."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{cell.name}:{number}".encode()).digest()[:4], "big")


async def play(
    cell: Cell, progress: Progress, wanted: int, postgres: Postgres | None, *, keep: bool = False
) -> Figures:
    """Play a cell until its fault has struck so often; figures are kept after each system."""
    figures, systems = progress.load(cell)
    while figures.faults < wanted:
        seed = seed_of(progress.seed, cell, systems)
        kept = progress.folder / "kept" / f"{cell.name.replace(':', '.')}-{systems}" if keep else None
        with scene_folder(kept) as folder:
            options = {"postgres": postgres if cell.database == "postgres" else None, **cell.stage}
            async with playing(folder, seed, **options) as stage:
                await cell.scene(stage, min(cell.portion, wanted - figures.faults))
        if stage.figures.faults == 0:
            raise RuntimeError("the fault of this cell never struck")
        figures.add(stage.figures)
        systems += 1
        progress.save(cell, figures, systems, wanted)
        print(f"  {cell.name:<34} {shown(stage.figures)}", flush=True)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, play, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=None, help="repeat the storm of this seed (default: a new one)")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="cells to play, for example 'kill:*'")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the required faults (default %(default)s)")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of the figures (default %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="forget figures that are there")
    parser.add_argument("--keep", action="store_true", help="keep each system's files beside the figures")
    parser.add_argument("--list", action="store_true", help="name the cells and play none")
    parser.add_argument("--write-docs", action="store_true", help="write what there is into docs/reliability.md")
    given = parser.parse_args(arguments)
    wanted = chosen(given.only)
    if given.list:
        print("\n".join(f"{cell.name:<36} {cell.required:>6}  {cell.title}" for cell in wanted))
        return 0
    if not wanted:
        parser.error(f"no cell is called {' or '.join(given.only)}; --list names them")
    if given.fresh:
        for old in given.state.glob("*.json"):
            old.unlink()
        (given.state / "seed").unlink(missing_ok=True)
    progress = Progress(given.state, given.seed)
    if given.write_docs:
        report.write_docs(chosen([]), progress)
        return 0
    # The SDK's own log lines, about calls that it tries again while a server is dead.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False)
    print(f"Chaos with seed {progress.seed}: {len(wanted)} cells, figures in {given.state}", flush=True)
    failed = _play_all(wanted, progress, given.scale, keep=given.keep)
    report.print_table(wanted, progress)
    return 1 if failed or not report.holds(wanted, progress) else 0


def _play_all(wanted: Sequence[Cell], progress: Progress, scale: float, *, keep: bool) -> list[str]:
    failed, began = [], time.monotonic()
    with contextlib.ExitStack() as stack:
        postgres: Postgres | None = None
        if any(cell.database == "postgres" for cell in wanted):
            try:
                postgres = stack.enter_context(running_postgres(connections=300))
            except NotAvailable as error:
                print(f"  cells on PostgreSQL are left out: {error}", flush=True)
        for cell in wanted:
            if cell.database == "postgres" and postgres is None:
                continue
            try:
                asyncio.run(play(cell, progress, max(1, math.ceil(cell.required * scale)), postgres, keep=keep))
            except Exception as error:  # noqa: BLE001 - the other cells are played all the same
                failed.append(cell.name)
                print(f"  {cell.name:<34} was not played: {type(error).__name__}: {error}", flush=True)
                traceback.print_exc()
    print(f"played for {time.monotonic() - began:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
