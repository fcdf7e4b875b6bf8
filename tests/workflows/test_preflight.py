"""Long plans: what they can't do without is looked at before anything is done."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer

from activities.storage.dependencies import Dependencies
from plangate.errors import ErrorType
from plangate.runs import Event, Outcome
from plangate.temporal import PlangatePlugin
from tests.workflows import desk as desks
from tests.workflows.desk import Desk, eventually, result_of, status_of
from workflows.agent_run import AgentRun

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAY = {"id": "pay", "tool": "pay", "args": {"to": "ada", "amount": 5}}
LONG = {"id": "count", "tool": "count_all", "args": {}}


def agents(folder: Path, **preflight: object) -> Path:
    """The desk with its own rules for preflight."""
    copy = folder / "agents"
    shutil.copytree(desks.AGENTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "desk" / "agent.yaml").open("a") as file:
        rules = ", ".join(f"{name}: {value}" for name, value in preflight.items())
        file.write(f"preflight: {{{rules}}}\n")
    return copy


async def notes(handle: Any) -> list[str]:
    return [
        event.text for event in await handle.query("timeline", result_type=list[Event]) if event.kind == "preflight"
    ]


def take_down(desk: Desk) -> None:
    desk.effects_file.with_suffix(".down").write_text("down")


async def test_a_dependency_that_is_down_declines_before_anything_is_done(client: Client, tmp_path: Path) -> None:
    async with desks.desk(client, tmp_path, agents=agents(tmp_path, on_down="decline")) as desk:
        desk.model.script(*["done"] * 5)
        take_down(desk)
        handle = await desk.start(plan={"steps": [PAY, LONG]})
        result = await result_of(handle)
        assert (result.outcome, result.approvals) == (Outcome.DECLINED, [])
        assert "warehouse is down (the warehouse does not answer). Nothing was done" in result.answer
        assert result.error is not None
        assert result.error.type is ErrorType.DEPENDENCY_DOWN
        assert {effect["tool"] for effect in desk.effects()} == {"health"}
        assert await notes(handle) == ["before the plan begins: warehouse is down (the warehouse does not answer)"]
        (known,) = await Dependencies(desk.store).listed()
        assert (known.healthy, known.health) == (False, "the warehouse does not answer")
        again = await desk.run(plan={"steps": [LONG]})
        assert (again.outcome, len(desk.effects(tool="health"))) == (Outcome.DECLINED, 1)  # known for some seconds
        fallback = {**LONG, "fallback": {"value": "unknown"}}
        assert (await desk.run(plan={"steps": [fallback]})).outcome is Outcome.COMPLETED
        short = await desk.run(plan={"steps": [{"id": "a", "tool": "look", "args": {"value": 1}}]})
        assert short.outcome is Outcome.COMPLETED


async def test_a_run_waits_until_it_is_back_and_says_so(client: Client, tmp_path: Path) -> None:
    async with desks.desk(client, tmp_path, agents=agents(tmp_path, steps=2)) as desk:
        desk.model.script(*["done"] * 5)
        take_down(desk)
        steps = [{"id": name, "tool": "stock", "args": {}} for name in ("a", "b")]
        handle = await desk.start(plan={"steps": steps})

        async def waits() -> bool:
            return "waits before the plan begins: warehouse is down" in (await status_of(handle)).waits

        await eventually(waits)
        desk.effects_file.with_suffix(".down").unlink()
        result = await result_of(handle)
        assert result.outcome is Outcome.COMPLETED
        assert (await notes(handle))[-1] == "before the plan begins: warehouse up"
        replayer = Replayer(workflows=[AgentRun], plugins=[PlangatePlugin(strict=True)])
        await replayer.replay_workflow(await handle.fetch_history())


async def test_a_person_takes_over(client: Client, tmp_path: Path) -> None:
    async with desks.desk(client, tmp_path, agents=agents(tmp_path, when="always", on_down="escalate")) as desk:
        take_down(desk)
        result = await desk.run(plan={"steps": [{"id": "a", "tool": "stock", "args": {}}]})
        assert result.outcome is Outcome.ESCALATED
        assert result.answer.startswith("A person takes over: warehouse is down")
        assert desk.effects(tool="stock") == []
