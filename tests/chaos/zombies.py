"""Scenes in which something takes effect and nobody hears of it, or twice at once: far sides, databases, zombies.

A zombie is an attempt that Temporal has given up, and that goes on all the same: its worker stood still (a paused
machine, a stopped container) for longer than the tool's heartbeat, and another worker has begun the retry.
"""

from __future__ import annotations

from typing import Any

from tests.chaos.cases import Case, errand
from tests.chaos.scene import Stage

STALL_SECONDS = 6.0
"""Three times the heartbeat of `farside`: the retry is under way, or over, when the zombie wakes."""


async def overlapping(stage: Stage, point: str, mode: str, times: int) -> None:
    """Workers stand still at this point of tools of this mode; their attempts wake beside their retries."""
    rule = {"dependency": "worker", "call": point, "fault": "stall", "seconds": STALL_SECONDS, "times": times}
    await stage.faults({**rule, "probability": 0.5, "match": {"mode": mode}})
    stage.crowd.patience = 900.0  # who stands still inside a transaction on SQLite holds up everybody's, one by one
    await _until_struck(stage, times)


async def told_too_late(stage: Stage, word: str, runs: int) -> None:
    """The far side misbehaves towards every run: see `farside.MISBEHAVIOUR`. Circuit breakers hardly help."""
    stage.rig.environment |= {
        "PLANGATE_BREAKER_FAILURES": "100000",
        "PLANGATE_BREAKER_RATE": "1",
        "PLANGATE_BREAKER_SECONDS": "0.5",
        "PLANGATE_BREAKER_MAX_SECONDS": "1",
    }
    await stage.faults()
    stage.crowd.patience = 900.0  # a call in doubt is asked about for as long as the tool allows in all
    cases = stage.errands(lambda run: errand(run, stage.shop, stage.dice, words=f"[{word}]", calm=True), runs)
    await stage.crowd.serve(cases)
    await stage.judge()
    stage.figures.faults += len(stage.crowd.accepted)


async def tools_gone_wrong(stage: Stage, fault: str, times: int) -> None:
    """Tools of the shop's own tables take effect, and the call around them fails: the transaction has to undo it."""
    rules = [
        {"dependency": tool, "fault": fault, "times": (times + 1) // 2, "probability": 0.5}
        for tool in ("cancel_order", "change_address")
    ]
    await stage.faults(*rules)
    stage.crowd.patience = 900.0  # who times out inside a transaction on SQLite has held up everybody's
    await _until_struck(stage, times)


async def of_the_database(stage: Stage, times: int, **rule: Any) -> None:
    """The database goes wrong under everything that workers do."""
    await stage.faults({"dependency": "database", "times": times, "probability": 0.04, **rule})
    await _until_struck(stage, times)


async def _until_struck(stage: Stage, times: int) -> None:
    def make(run: str) -> Case:
        return errand(run, stage.shop, stage.dice)

    await stage.crowd.serve(stage.errands(make, 2000), enough=lambda: stage.struck().total() >= times)
    await stage.judge()
    stage.figures.faults += stage.struck().total()
