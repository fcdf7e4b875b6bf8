"""The matrix: every fault with how often it has to have struck, and the scene that plays it."""

from __future__ import annotations

import fnmatch
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import clocks, deaths, deciding, large, models, zombies
from tests.chaos.scene import Stage

Scene = Callable[[Stage, int], Awaitable[None]]
DATABASES = ("sqlite", "postgres")
STORAGE: dict[str, tuple[str, dict[str, Any]]] = {
    "unreachable": ("unreachable for 2 s", {"fault": "unreachable", "seconds": 2}),
    "slow": ("statements take 1 s longer", {"fault": "slow", "seconds": 1}),
    "disk-full": ("disk full", {"fault": "disk_full"}),
    "conflict": ("transaction conflict", {"fault": "conflict"}),
    "commit-late": ("commit acknowledged 3 s late", {"fault": "commit_late", "call": "commit", "seconds": 3}),
    "commit-lost": ("commit done, its acknowledgement lost", {"fault": "commit_lost", "call": "commit"}),
}
FAR_SIDE = {
    "late-once": "effect, then a time-out: refund (`key`), e-mail (`check`)",
    "late-always": "effect, and never an answer in time: refund, e-mail",
    "lost-once": "effect, then the connection breaks: refund, e-mail",
    "twice": "request delivered twice: refund",
    "reordered": "first request delivered after the second: refund",
}


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix."""

    name: str
    group: str
    title: str
    scene: Scene
    required: int
    database: str = "sqlite"
    at_a_time: int = 0
    """Faults on one system; more need several. 0: all."""
    stage: dict[str, Any] = field(default_factory=dict)
    """See `scene.playing`."""
    finds: str = ""
    """A test of the test: the checker has to find violations of this kind."""

    @property
    def portion(self) -> int:
        """Faults on one system."""
        return self.at_a_time or self.required


def cells() -> list[Cell]:
    """All of them, the cheap and telling ones first."""
    return [*_tests_of_the_test(), *_deaths(), *_server(), *_overlaps(), *_storage(), *_others()]


def chosen(patterns: Sequence[str]) -> list[Cell]:
    """The cells whose names match one of these patterns; all without any."""
    return [cell for cell in cells() if not patterns or any(fnmatch.fnmatch(cell.name, each) for each in patterns)]


def _tests_of_the_test() -> Iterator[Cell]:
    group = "Tests of the test"
    yield Cell(
        "test:no-ledger",
        group,
        "ledger switched off, workers killed after the effect",
        deaths.without_ledger,
        required=20,
        stage={"sabotage": ("ledger",)},
        finds="doubles",
    )
    yield Cell(
        "test:no-gates",
        group,
        "gates and the check of approvals switched off, nobody answers",
        deaths.nobody_asked,
        required=20,
        stage={"sabotage": ("gates",)},
        finds="unapproved",
    )


def _deaths() -> Iterator[Cell]:
    for point in deaths.POINTS:
        for database in DATABASES:

            async def scene(stage: Stage, times: int, point: str = point) -> None:
                await deaths.at_a_point(stage, point, times)

            name, title = f"kill:{point}:{database}", f"worker SIGKILL `{point}`"
            yield Cell(name, "Dying workers", title, scene, 100, database, at_a_time=50)
    for database in DATABASES:
        title = "workers SIGKILLed from outside, one or several, at any moment"
        yield Cell(f"kill:any:{database}", "Dying workers", title, deaths.at_any_moment, 100, database, at_a_time=50)


def _server() -> Iterator[Cell]:
    title = "Temporal server SIGKILLed and restarted on its file"
    yield Cell("server", "Dying server", title, deaths.of_the_server, 24, at_a_time=8)


def _overlaps() -> Iterator[Cell]:
    group = "Late, twice, overlapping"
    for word, title in FAR_SIDE.items():

        async def misbehaving(stage: Stage, runs: int, word: str = word) -> None:
            await zombies.told_too_late(stage, word, runs)

        far_side = {"retries": 3} if word == "late-always" else {}
        yield Cell(f"far:{word}", group, title, misbehaving, 20, stage=far_side)
    for fault, title in (("effect_then_timeout", "a time-out"), ("effect_then_error", "an error")):

        async def wrong(stage: Stage, times: int, fault: str = fault) -> None:
            await zombies.tools_gone_wrong(stage, fault, times)

        for database in DATABASES:
            said = f"effect, then {title}: cancellation, address (`ledger`)"
            yield Cell(f"tool:{fault}:{database}", group, said, wrong, 20, database)
    for mode in ("key", "check", "ledger"):
        for point in ("after-intent", "after-effect"):

            async def overlapping(stage: Stage, times: int, mode: str = mode, point: str = point) -> None:
                await zombies.overlapping(stage, point, mode, times)

            for database in DATABASES:
                said = f"zombie attempt beside its retry: `{mode}`, stalled `{point}`"
                yield Cell(f"zombie:{mode}:{point}:{database}", group, said, overlapping, 20, database)


def _storage() -> Iterator[Cell]:
    for kind, (title, rule) in STORAGE.items():
        for database in DATABASES:

            async def scene(stage: Stage, times: int, rule: dict[str, Any] = rule) -> None:
                await zombies.of_the_database(stage, times, **rule)

            yield Cell(f"database:{kind}:{database}", "Database", f"database: {title}", scene, 20, database)


def _others() -> Iterator[Cell]:
    yield Cell("models", "Models", "model faults on planning and on answering, once and always", models.faults, 1)
    yield Cell("decisions", "Decisions", "ten times, conflicting, late, for other arguments", deciding.many_ways, 20)
    yield Cell("decisions:flood", "Decisions", "10,001 decisions in one run", deciding.flood, 10_001)
    for hours in (1, -1):

        async def wrong_clock(stage: Stage, runs: int, hours: int = hours) -> None:
            await clocks.wrong(stage, runs, hours)

        said = f"worker's clock one hour {'fast' if hours > 0 else 'slow'}"
        name = f"clock:{'fast' if hours > 0 else 'slow'}"
        yield Cell(name, "Clocks", said, wrong_clock, 20, stage={"decide": "1 minutes"})
    yield Cell("large:result", "Size", "result of 3 MB", large.result, 10, stage={"extra_tools": True})
    yield Cell("large:run", "Size", "a run of 60,000 events", large.run, 60_000, stage={"extra_tools": True})
