"""Scenes of dying processes: workers at their eight kill points and at any moment, the Temporal server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from tests.chaos.cases import Case, doomed, errand
from tests.chaos.records import Records
from tests.chaos.scene import Stage

POINTS = (
    "before-intent",
    "after-intent",
    "after-effect",
    "after-commit",
    "before-completion",
    "waiting-at-gate",
    "in-signal-handler",
    "in-compensation",
)
ODDS = 0.5
"""Of dying each time that a worker comes to the point."""


async def at_a_point(stage: Stage, point: str, kills: int) -> None:
    """Workers kill themselves at this point, so many times in all."""
    rule = {"dependency": "worker", "fault": "kill", "times": kills, "probability": ODDS}
    await stage.faults({**rule, "call": point})

    def make(run: str) -> Case:
        if point != "in-compensation":
            return errand(run, stage.shop, stage.dice)
        stage.doomed.add(run)
        return doomed(run, stage.shop, stage.dice)

    await stage.crowd.serve(stage.errands(make, 2000), enough=lambda: stage.struck().total() >= kills)
    await stage.judge()
    stage.figures.faults += stage.struck().total()


async def without_ledger(stage: Stage, kills: int, runs: int = 0) -> None:
    """Workers die where only the ledger knows what has happened already; for the test of the test."""
    rule = {"dependency": "worker", "fault": "kill", "times": max(1, kills // 2)}
    await stage.faults(
        {**rule, "call": "after-effect", "match": {"mode": "check"}},
        {**rule, "call": "after-commit", "match": {"tool": "change_address"}},
    )
    cases = stage.errands(lambda run: errand(run, stage.shop, stage.dice, calm=True), runs or 2000)
    await stage.crowd.serve(cases, enough=lambda: not runs and stage.struck().total() >= kills)
    await stage.judge()
    stage.figures.faults += stage.struck().total()


async def at_these_points(stage: Stage, points: Sequence[str], *, each: int, runs: int) -> Records:
    """A short storm over several points: so many runs, and at each point so many deaths at most."""
    rule = {"dependency": "worker", "fault": "kill", "times": each, "probability": ODDS}
    await stage.faults(*({**rule, "call": point} for point in points))
    await stage.crowd.serve(stage.errands(lambda run: errand(run, stage.shop, stage.dice), runs))
    records = await stage.judge()
    stage.figures.faults += stage.struck().total()
    return records


async def nobody_asked(stage: Stage, runs: int) -> None:
    """Errands while nobody answers any gate: what asks first must not happen."""
    await stage.faults()
    stage.crowd.answers = False
    await stage.crowd.serve(stage.errands(lambda run: errand(run, stage.shop, stage.dice, calm=True), runs))
    await stage.judge()
    stage.figures.faults += len(stage.crowd.accepted)


async def at_any_moment(stage: Stage, kills: int) -> None:
    """Workers are killed from outside, one every second or so, whatever they are doing."""
    done = 0
    await stage.faults()

    async def kill() -> None:
        nonlocal done
        while done < kills:
            await asyncio.sleep(stage.dice.uniform(0.3, 1.5))
            victims = stage.dice.choice((("w1",), ("w2",), ("w3",), ("w4",), ("w1", "w2"), ("w1", "w2", "w3", "w4")))
            done += sum(stage.rig.signal(victim, signal.SIGKILL) for victim in victims)

    killing = asyncio.create_task(kill())
    cases = stage.errands(lambda run: errand(run, stage.shop, stage.dice), 2000)
    await stage.crowd.serve(cases, enough=lambda: done >= kills)
    killing.cancel()
    await stage.judge()
    stage.figures.faults += done


async def of_the_server(stage: Stage, kills: int) -> None:
    """The Temporal server is killed and started again on its file; customers ask again under the same ids."""
    done = 0
    await stage.faults()

    async def kill() -> None:
        nonlocal done
        while done < kills:
            await asyncio.sleep(stage.dice.uniform(2.0, 6.0))
            await asyncio.to_thread(stage.rig.kill_temporal)
            done += 1
            await asyncio.sleep(stage.dice.uniform(0.0, 1.0))
            stage.rig.start_temporal()
            await stage.rig.client()

    killing = asyncio.create_task(kill())
    cases = stage.errands(lambda run: errand(run, stage.shop, stage.dice), 2000)
    await stage.crowd.serve(cases, enough=lambda: done >= kills)
    await killing
    for run in stage.crowd.accepted:  # once more under its id, after its end: the same run, nothing new
        await _again(stage, run)
    await stage.judge()
    stage.figures.faults += done


async def _again(stage: Stage, run: str) -> None:
    from temporalio.common import WorkflowIDReusePolicy
    from temporalio.exceptions import WorkflowAlreadyStartedError

    try:
        await stage.crowd.client.start_workflow(
            "AgentRun",
            stage.crowd.cases[run].input,
            id=run,
            task_queue="plangate",
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
        stage.figures.what["started a second time"] += 1
    except WorkflowAlreadyStartedError:
        stage.figures.what["second start refused"] += 1
