"""Long lists: items begin as places become free, and the list goes on in the next history."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from plangate import temporal
from plangate.run_status import RunResult, RunStatus
from plangate.runs import Outcome
from tests.workflows import desk as desks
from tests.workflows.limited import limited
from tests.workflows.test_continue_as_new import generations, short_histories
from workflows.lists import AHEAD, MAX_AT_GATES, Window

__all__ = ["short_histories"]
pytestmark = pytest.mark.asyncio(loop_scope="session")


def listed(tool: str, count: int, args: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "steps": [
            {"id": "start", "tool": "numbers", "args": {"count": count}},
            {"id": "each", "tool": tool, "args": args, "for_each": "start", **fields},
            {"id": "last", "tool": "look", "args": {"value": {"$ref": "length(each)"}}},
        ]
    }


async def test_no_more_items_are_under_way_than_there_are_places() -> None:
    window, under_way, most, done = Window(3), 0, 0, []

    async def item(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        done.append(number)

    await window.run(range(1000), item, lambda: False)
    assert sorted(done) == list(range(1000))
    assert most == 3 + AHEAD


async def test_items_that_wait_for_people_hold_nobody_up_until_there_are_many() -> None:
    window, asked, go = Window(3), [], asyncio.Event()

    async def item(number: int) -> None:
        window.waits(str(number))
        asked.append(number)
        await go.wait()
        window.goes_on(str(number))

    running = asyncio.create_task(window.run(range(300), item, lambda: False))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert MAX_AT_GATES <= len(asked) <= MAX_AT_GATES + 3 + AHEAD
    go.set()
    await running
    assert len(asked) == 300


async def test_a_bug_ends_the_list_and_what_is_under_way() -> None:
    async def item(number: int) -> None:
        if number == 5:
            raise ZeroDivisionError
        await asyncio.Event().wait()

    with pytest.raises(ZeroDivisionError):
        await Window(10).run(range(100), item, lambda: False)


async def test_a_long_list_takes_short_workflow_tasks(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processor time of a task doesn't grow with the list: else a list of 10,000 would count as hung."""
    spent: list[float] = []
    activate = temporal.PlainContexts.activate

    def timed(self: temporal.PlainContexts, activation: Any) -> Any:
        began = time.thread_time()
        try:
            return activate(self, activation)
        finally:
            spent.append(time.thread_time() - began)

    monkeypatch.setattr(temporal.PlainContexts, "activate", timed)
    agents = limited(tmp_path, Tool_calls_in_a_run="20,000", Items_in_a_list_step="10,000")
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        handle = await desk.start(plan=listed("look", 10_000, {"value": {"$ref": "item.n"}}))

        async def some() -> bool:
            return len(desk.effects(tool="look")) > 60

        await desks.eventually(some, seconds=60)
        await handle.cancel()
        with pytest.raises(Exception, match="failed"):
            await handle.result()
        assert max(spent) < 0.4  # all at once took 1.2 s


async def test_a_list_continues_as_new_in_its_middle(short_histories: Client, tmp_path: Path) -> None:
    """Nothing but the list is under way; some items fail and are left out, some ask a person."""
    async with desks.desk(short_histories, tmp_path) as desk:
        desk.model.script("done")
        plan = listed("look", 90, {"value": {"$ref": "item.n"}})
        plan["steps"] += [
            {"id": "fails", "tool": "fail", "args": {"how": "business"}, "for_each": "start[:30]", "optional": True},
            {"id": "asks", "tool": "pay", "args": {"to": "ann", "amount": 30}, "for_each": "start[:3]"},
        ]
        handle = await desk.start(plan=plan)
        for gate in await desks.pending(desk.client.get_workflow_handle(handle.id), 3):
            await desk.client.get_workflow_handle(handle.id).signal(
                "approve", {"approval": gate.call, "digest": gate.digest, "by": "kim"}
            )
        latest = desk.client.get_workflow_handle(handle.id)
        result = RunResult.model_validate(await asyncio.wait_for(latest.result(), 60))
        assert result.outcome is Outcome.DEGRADED, result.summary
        assert {step.id: (step.calls, step.done_calls) for step in result.steps} == {
            "start": (1, 1),
            "each": (90, 90),
            "last": (1, 1),
            "fails": (30, 0),
            "asks": (3, 3),
        }
        assert await generations(handle) >= 4
        keys = [effect["key"] for effect in desk.effects()]
        assert len(keys) == len(set(keys)) == 90 + 1 + 30 + 3


async def test_a_list_that_was_carried_is_seen_whole(short_histories: Client, tmp_path: Path) -> None:
    async with desks.desk(short_histories, tmp_path) as desk:
        plan = listed("look", 60, {"value": {"$ref": "item.n"}})
        plan["steps"].append({"id": "gate", "tool": "pay", "args": {"to": "ann", "amount": 30}, "after": ["last"]})
        handle = await desk.start(plan=plan)

        async def asked() -> Any:
            latest = desk.client.get_workflow_handle(handle.id)
            return await latest.query("pending_approvals", result_type=list)

        await desks.eventually(asked)
        latest = desk.client.get_workflow_handle(handle.id)
        status = await latest.query("status", result_type=RunStatus)
        each = next(step for step in status.steps if step.id == "each")
        assert (each.calls, each.done_calls) == (60, 60)
        assert each.started_at is not None
        assert each.ended_at is not None
        assert each.started_at < each.ended_at
        await latest.cancel()


async def test_a_carried_list_is_undone_with_the_arguments_of_each_item(
    short_histories: Client, tmp_path: Path
) -> None:
    """They aren't carried: thousands of them would be more than a payload may have."""
    things = [f"thing {number}" for number in range(80)]
    plan = {
        "steps": [
            {"id": "each", "tool": "reserve", "args": {"what": {"$ref": "item"}}, "for_each": "input.things"},
            {"id": "f", "tool": "fail", "args": {"how": "permanent"}, "after": ["each"]},
        ]
    }
    async with desks.desk(short_histories, tmp_path) as desk:
        handle = await desk.start(plan=plan, input={"things": things})
        result = await desks.result_of(desk.client.get_workflow_handle(handle.id, result_type=RunResult))
        assert result.outcome is Outcome.FAILED
        undone = [(each["what"], each["receipt"]) for each in desk.effects(tool="release")]
        assert sorted(undone) == sorted((thing, f"r-{thing}") for thing in things)
        assert sum(each.undone for each in result.compensations) == 80
        latest = await desk.client.get_workflow_handle(handle.id).fetch_history()
        carried = latest.events[0].workflow_execution_started_event_attributes.input.payloads[0].data.decode()
        state = json.loads(carried)["carried"]["steps"]["each"]
        assert sum("args" in call for call in state.get("calls", [])) == 0
        assert all(packed["args_key"] for packed in state["packed"])


async def test_a_hundred_gates_at_once_are_all_shown(client: Client, tmp_path: Path) -> None:
    """Each change of the inbox names all gates: one by one they were more than a workflow task may send."""
    async with desks.desk(client, tmp_path) as desk:
        plan = listed("pay", 120, {"to": "ann", "amount": 30, "note": {"$ref": "to_string(item.n)"}})
        handle = await desk.start(plan=plan)

        async def shown() -> bool:
            memo = await (await handle.describe()).memo()
            return len(memo.get("pending", [])) >= MAX_AT_GATES

        await desks.eventually(shown)
        await handle.cancel()
        with pytest.raises(Exception, match="failed"):
            await handle.result()
