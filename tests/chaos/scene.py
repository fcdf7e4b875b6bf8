"""One scene: a fresh system, a crowd, faults, and the checker's judgement of it all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.cases import Case, Shop
from tests.chaos.checker import KINDS, Report, Violation, check
from tests.chaos.farside import make_agents
from tests.chaos.people import Crowd, Inbox, persist
from tests.chaos.records import Records, read_records
from tests.chaos.rig import SECRETS, SWEEP_SECONDS, Rig, running_rig
from tests.postgres import Postgres

CONSENT = "yes-break-things"
SWEEPS = 4


@dataclass
class Figures:
    """What came of a scene, or of several of a kind together."""

    runs: int = 0
    """Accepted runs."""
    faults: int = 0
    """How often that happened which the scene is about."""
    what: Counter[str] = field(default_factory=Counter)
    """Details: faults by kind, deaths of workers, requests repeated."""
    states: Counter[str] = field(default_factory=Counter)
    """Runs by where they ended."""
    effects: Counter[str] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    violations: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, kind: str) -> int:
        """Violations of a kind."""
        return sum(violation["kind"] == kind for violation in self.violations)

    def add(self, other: Figures) -> None:
        """Take over another scene's figures."""
        self.runs += other.runs
        self.faults += other.faults
        self.seconds += other.seconds
        for name in ("what", "states", "effects", "allowed"):
            getattr(self, name).update(getattr(other, name))
        self.violations += other.violations

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Figures:
        """From a file."""
        counters = {name: Counter(told[name]) for name in ("what", "states", "effects", "allowed")}
        return cls(**{**told, **counters})


@dataclass
class Stage:
    """Where a scene plays."""

    rig: Rig
    crowd: Crowd
    shop: Shop
    dice: random.Random
    seed: int
    figures: Figures = field(default_factory=Figures)
    workers: tuple[str, ...] = ("w1", "w2", "w3", "w4")
    doomed: set[str] = field(default_factory=set)
    """Runs that fail and still have to do all that is meant."""

    @property
    def journal(self) -> Path:
        """Of the faults that struck."""
        return self.rig.data / "faults.journal"

    async def faults(self, *rules: dict[str, Any], workers: Sequence[str] = ()) -> None:
        """Workers start (again) and follow this fault plan; all of them, or these."""
        plan = self.rig.data / "faults.json"
        plan.write_text(json.dumps({"seed": self.seed, "faults": list(rules)}), encoding="utf-8")
        if rules:
            self.rig.environment |= {
                "PLANGATE_FAULTS": str(plan),
                "PLANGATE_FAULTS_ENABLED": CONSENT,
                "PLANGATE_FAULTS_JOURNAL": str(self.journal),
            }
        else:
            for name in ("PLANGATE_FAULTS", "PLANGATE_FAULTS_ENABLED", "PLANGATE_FAULTS_JOURNAL"):
                self.rig.environment.pop(name, None)
        await self.rig.restart(*(workers or self.workers))

    def struck(self) -> Counter[str]:
        """Faults that struck so far, by `call fault`."""
        found: Counter[str] = Counter()
        with contextlib.suppress(FileNotFoundError):
            for line in self.journal.read_bytes().splitlines():
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    if entry.get("rule") is not None:
                        found[f"{entry['call']} {entry['fault']}"] += 1
        return found

    def wrong(self, kind: str, run: str, text: str) -> None:
        """Note something that the scene found itself."""
        self.figures.violations.append({"kind": kind, "run": run, "text": text})

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of the project's database."""
        inbox = Inbox(self.rig.data, self.rig.database_url)
        try:
            return await inbox.rows(query)
        finally:
            await inbox.close()

    async def until(self, condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - files and processes tell nobody
                await asyncio.sleep(0.05)

    def errands(self, make: Callable[[str], Case], limit: int) -> Iterator[Case]:
        """Cases with ids of this scene, as long as the shop has orders."""
        for number in range(limit):
            try:
                yield make(f"s{self.seed}-{number}")
            except IndexError:
                return

    async def _swept(self) -> None:
        """Wait for the sweeper: a run that it found stuck, and that has gone on since, is noted at its next look."""
        stuck = "SELECT run FROM dead_letters WHERE state = 'open' AND cause = 'stuck'"
        for _ in range(SWEEPS):
            if not await self.rows(stuck):
                return
            await asyncio.sleep(SWEEP_SECONDS)

    async def judge(self, *, must_end: bool = True, scope: Path | None = None) -> Records:
        """Let the checker look at everything, and add what it finds."""
        rig, crowd, figures = self.rig, self.crowd, self.figures
        client = await rig.client()
        await self._swept()
        records = await persist(
            lambda: read_records(rig.data, client, database_url=rig.database_url, secrets=SECRETS), seconds=240
        )
        meant = {run: dict(case.meant) for run, case in crowd.cases.items()}
        rules = scope or rig.agents / "support" / "scope.md"
        report = check(records, rules, accepted=crowd.accepted, meant=meant, sure=self.doomed)
        found = report.violations + (list(_unended(records, crowd.accepted)) if must_end else [])
        figures.runs += len(crowd.accepted)
        figures.states.update(report.runs)
        figures.effects.update(report.effects)
        figures.allowed.update(report.allowed)
        figures.what.update(_details(self, report))
        figures.violations += [{"kind": each.kind, "run": each.run, "text": each.text} for each in found]
        return records


def _details(stage: Stage, report: Report) -> Counter[str]:
    found = Counter({f"fault: {name}": times for name, times in stage.struck().items()})
    found += Counter({f"worker: {how}": times for how, times in stage.rig.deaths.items()})
    found += Counter({f"decision: {how}": times for how, times in stage.crowd.sent.items()})
    found += Counter({f"no effect, ledger {state}": times for state, times in report.none.items()})
    found["requests repeated under their key"] += report.repeated
    found["bytes searched for secrets"] += report.searched
    return found


def _unended(records: Records, accepted: list[str]) -> Iterator[Violation]:
    for run in accepted:
        executions = records.histories.get(run)
        if executions and executions[-1].status == "running":
            yield Violation("lost", run, "it hasn't ended in time")


@contextmanager
def scene_folder(keep: Path | None) -> Iterator[Path]:
    """A folder for a scene; kept when asked for."""
    folder = Path(tempfile.mkdtemp(prefix="plangate-chaos-"))
    try:
        yield folder
    finally:
        if keep is not None:
            keep.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(folder, keep, ignore_dangling_symlinks=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def playing(
    folder: Path,
    seed: int,
    *,
    postgres: Postgres | None = None,
    workers: int = 4,
    at_once: int = 24,
    sabotage: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
    **far_side: Any,
) -> AsyncIterator[Stage]:
    """A stage with everything running but the workers: `Stage.faults` brings them to life.

    Args:
        folder: For all its files.
        seed: Of all dice.
        postgres: The server to make a database on; else SQLite.
        workers: How many workers.
        at_once: How many runs at once.
        sabotage: What the workers lose.
        environment: Further variables of the workers.
        far_side: See `farside.make_agents`.
    """
    began, dice = time.monotonic(), random.Random(seed)
    agents = make_agents(folder, **far_side)
    url = "" if postgres is None else postgres.create(f"chaos_{seed}_{int(time.time() * 1000) % 10**9}")
    url = url.replace("plangate@", f"plangate:{SECRETS[1]}@")
    async with running_rig(folder, agents, database_url=url, sabotage=sabotage, environment=environment) as rig:
        crowd = Crowd(rig, await rig.client(), dice, at_once)
        async with crowd.open():
            names = tuple(f"w{number}" for number in range(1, workers + 1))
            stage = Stage(rig, crowd, Shop(agents, dice), dice, seed, workers=names)
            yield stage
    stage.figures.seconds = time.monotonic() - began


async def pause(seconds: float) -> None:
    """Let time pass between two blows."""
    await asyncio.sleep(seconds)


def shown(figures: Figures) -> str:
    """A scene in one line."""
    counts = ", ".join(f"{kind} {figures.count(kind)}" for kind in KINDS)
    return f"{figures.faults} faults, {figures.runs} runs, {counts}, {figures.seconds:.0f} s"
