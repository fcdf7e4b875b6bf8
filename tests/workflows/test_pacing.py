"""Runs whose calls are early: they wait for their turn, say until when, and fail nothing for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer

from activities.storage.lines import Lines
from plangate.paces import ModelPace
from plangate.runs import Event, Outcome, StepStatus
from plangate.temporal import PlangatePlugin
from tests.workflows import desk as desks
from tests.workflows.desk import Desk, eventually, result_of, status_of
from tests.workflows.test_breakers import cli
from workflows.agent_run import AgentRun

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def system(client: Client, folder: Path, **limits: float) -> AsyncIterator[Desk]:
    async with desks.desk(client, folder, limits={"warehouse": ModelPace(**limits)}) as desk:  # type: ignore[arg-type]
        desk.model.script(*["done"] * 20)
        yield desk


def plan(*ids: str, **fields: Any) -> dict[str, Any]:
    return {"steps": [{"id": each, "tool": "stock", "args": {}, **fields} for each in ids or ("a",)]}


async def waits(handle: Any) -> bool:
    steps = (await status_of(handle)).steps
    return any(step.reason.startswith("waits for warehouse: ") for step in steps)


async def waiting(desk: Desk) -> list[str]:
    found = [each for each in await Lines(desk.store).listed(datetime.now(UTC)) if each.dependency == "warehouse"]
    return [place.run for each in found for place in each.waiting]


async def test_runs_take_turns_and_say_until_when(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, requests_per_minute=30) as desk:
        handles = [await desk.start(plan=plan()) for _ in range(3)]

        async def says_until_when() -> bool:
            reasons = [step.reason for handle in handles for step in (await status_of(handle)).steps]
            return any("30 requests a minute; 1 call ahead; about " in each and "UTC" in each for each in reasons)

        await eventually(says_until_when)
        results = [await result_of(handle) for handle in handles]
        assert {result.outcome for result in results} == {Outcome.COMPLETED}
        assert {result.steps[0].reason for result in results} == {""}
        times = sorted(effect["at"] for effect in desk.effects(tool="stock"))
        assert len(times) == 3
        assert times[-1] - times[0] > 2.5  # 4 s, if this machine were idle
        kinds = [event.kind for handle in handles for event in await handle.query("timeline", result_type=list[Event])]
        assert "early" in kinds
        assert await waiting(desk) == []
        replayer = Replayer(workflows=[AgentRun], plugins=[PlangatePlugin(strict=True)])
        for handle in handles:
            await replayer.replay_workflow(await handle.fetch_history())


async def test_being_early_uses_up_neither_attempts_nor_the_total_time(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, requests_per_minute=20) as desk:
        first = await desk.run(plan=plan())
        late = await desk.start(plan={"steps": [{"id": "a", "tool": "stock_soon", "args": {}}]})  # 1 s in all
        later = await desk.start(plan={"steps": [{"id": "a", "tool": "stock_or_not", "args": {}}]})  # no retry
        results = [first, await result_of(late), await result_of(later)]
        assert {result.outcome for result in results} == {Outcome.COMPLETED}


async def test_a_waiting_call_holds_no_slot_and_a_cancelled_one_no_place(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, requests_per_minute=1) as desk:
        await desk.run(plan=plan())
        free = [{"id": f"look{n}", "tool": "look", "args": {"value": n}} for n in range(12)]
        handle = await desk.start(plan={"steps": [*plan(*(f"s{n}" for n in range(10)))["steps"], *free]})

        async def others_are_done() -> bool:
            steps = (await status_of(handle)).steps
            return sum(step.status is StepStatus.DONE for step in steps) == 12 and len(await waiting(desk)) == 10

        await eventually(others_are_done)
        await handle.signal("cancel_step", {"step": "s3"})

        async def one_left() -> bool:
            return len(await waiting(desk)) == 9

        await eventually(one_left)
        await handle.cancel()

        async def all_left() -> bool:
            return await waiting(desk) == [] and (await status_of(handle)).outcome is Outcome.CANCELLED

        await eventually(all_left)


async def test_a_run_that_waits_continues_as_new_and_keeps_its_place(tmp_path: Path) -> None:
    async with (
        desks.local_server(limit__historyCount__suggestContinueAsNew="40") as environment,
        system(environment.client, tmp_path, requests_per_minute=12) as desk,
    ):
        await desk.run(plan=plan())
        handle = await desk.start(plan=plan())
        await eventually(lambda: waits(handle))
        for _ in range(20):
            await handle.signal("reject", {"approval": "nothing"})

        async def continued() -> bool:
            return bool((await handle.query("state"))["generation"])

        await eventually(continued)
        result = await result_of(handle)
        assert (result.outcome, result.steps[0].calls) == (Outcome.COMPLETED, 1)
        first, second = desk.effects(tool="stock")
        assert second["at"] - first["at"] > 3  # 5 s, if this machine were idle


async def test_patience_that_one_call_is_asked_for_holds_for_all(client: Client, tmp_path: Path) -> None:
    async with desks.desk(client, tmp_path) as desk:
        desk.model.script(*["done"] * 20)
        busy = await desk.start(plan={"steps": [{"id": "a", "tool": "busy", "args": {"seconds": 4}}]})

        async def was_told() -> bool:
            return bool(desk.effects(tool="busy"))

        await eventually(was_told)
        await asyncio.sleep(0)
        other = await desk.start(plan=plan())
        await eventually(lambda: waits(other))
        assert "asked for patience (HTTP 429)" in (await status_of(other)).steps[0].reason
        results = [await result_of(busy), await result_of(other)]
        assert {result.outcome for result in results} == {Outcome.COMPLETED}
        (asked, *_), (stock, *_) = desk.effects(tool="busy"), desk.effects(tool="stock")
        assert stock["at"] - asked["at"] >= 3.9


async def test_planning_and_answering_wait_for_the_models_turn(client: Client, tmp_path: Path) -> None:
    limits = {"model": ModelPace(requests_per_minute=15)}
    async with desks.desk(client, tmp_path, limits=limits) as desk:
        step = {"steps": [{"id": "a", "tool": "look", "args": {"value": 1}}]}
        desk.model.script(step, "It is 1.")
        handle = await desk.start("what is it?")

        async def waits_for_the_model() -> bool:
            waits = (await status_of(handle)).waits
            return waits.startswith("waits for model:127.0.0.1") and "15 requests a minute; about " in waits

        await eventually(waits_for_the_model)
        result = await result_of(handle)
        assert (result.outcome, result.answer, result.usage.calls) == (Outcome.COMPLETED, "It is 1.", 2)
        assert (await status_of(handle)).waits == ""


async def test_the_command_shows_limits_and_what_waits(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    async with system(client, tmp_path, requests_per_minute=1, at_once=2) as desk:
        code, out, _ = await cli(tmp_path, "--json")
        (shown,) = json.loads(out)["dependencies"]
        assert (code, shown["name"], shown["calls"], shown["waiting"]) == (0, "warehouse", 0, 0)
        await desk.run(plan=plan())
        handles = [await desk.start(plan=plan(), user=f"user-{number}") for number in range(2)]

        async def both_wait() -> bool:
            return len(await waiting(desk)) == 2

        await eventually(both_wait)
        code, out, _ = await cli(tmp_path, "--json")
        (shown,) = [each for each in json.loads(out)["dependencies"] if each["name"] == "warehouse"]
        limits = {"requests_per_minute": 1, "at_once": 2, "tokens_per_minute": None}
        assert (shown["limits"], shown["in_use"]) == (limits, 0)
        assert (shown["waiting"], shown["waiting_runs"]) == (2, 2)
        assert shown["next"][0]["turn_at"] < shown["next"][1]["turn_at"] == shown["waiting_until"]
        assert {each["run"] for each in shown["next"]} == {handle.id for handle in handles}
        code, out, _ = await cli(tmp_path)
        assert "1 requests a minute, 2 at once" in out
        assert "2 calls of 2 runs" in out
        assert f"{handles[0].id} a, its turn about" in out
        for handle in handles:
            await handle.terminate("the test is over")
