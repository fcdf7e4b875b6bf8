"""Runs that are longer than one history: the server suggests to continue as new after a few dozen events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle

from plangate.run_status import RunResult
from plangate.runs import Outcome
from tests.workflows import desk as desks

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def short_histories() -> AsyncIterator[Client]:
    async with desks.local_server(limit__historyCount__suggestContinueAsNew="60") as environment:
        yield environment.client


async def generations(handle: WorkflowHandle[Any, Any]) -> int:
    found = 0
    query = f'WorkflowId = "{handle.id}"'
    client = handle._client
    async for execution in client.list_workflows(query):
        found += execution.status is not None
    return found


async def test_a_long_run_continues_as_new_and_loses_nothing(short_histories: Client, tmp_path: Path) -> None:
    async with desks.desk(short_histories, tmp_path) as desk:
        desk.model.script("done")
        items = [{"n": n, "text": "x" * 3000} for n in range(40)]
        steps: list[dict[str, Any]] = [
            {"id": "start", "tool": "look", "args": {"value": items}},
            {"id": "gate", "tool": "pay", "args": {"to": "ann", "amount": 30}},
            {"id": "each", "tool": "look", "args": {"value": {"$ref": "item.text"}}, "for_each": "start"},
        ]
        steps += [{"id": f"s{n}", "tool": "look", "args": {"value": {"$ref": f"start[{n}].n"}}} for n in range(30)]
        steps.append({"id": "last", "tool": "look", "args": {"value": {"$ref": "length(each)"}}, "after": ["gate"]})
        handle = await desk.start(plan={"steps": steps})
        (gate,) = await desks.pending(handle)

        async def many() -> bool:
            return len(desk.effects(tool="look")) >= 71

        await desks.eventually(many, seconds=60)
        (same,) = await desks.pending(handle)
        assert same == gate  # the deadline and the digest too
        await desk.client.get_workflow_handle(handle.id).signal(
            "approve", {"approval": "gate", "digest": gate.digest, "by": "kim"}
        )
        result = RunResult.model_validate(await desk.client.get_workflow_handle(handle.id).result())
        assert result.outcome is Outcome.COMPLETED, result.summary
        keys = [effect["key"] for effect in desk.effects()]
        assert len(keys) == len(set(keys)) == 1 + 1 + 40 + 30 + 1
        assert await generations(handle) >= 3
        assert len(result.steps) == 34


async def test_decisions_survive_continue_as_new(short_histories: Client, tmp_path: Path) -> None:
    """A flood of decisions that change nothing, then the one that does."""
    async with desks.desk(short_histories, tmp_path) as desk:
        desk.model.script("done")
        handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}]})
        (gate,) = await desks.pending(handle)
        latest = desk.client.get_workflow_handle(handle.id)
        for number in range(150):
            await latest.signal("approve", {"approval": "p", "digest": "0" * 64, "by": f"mal{number}"})
        await latest.signal("approve", {"approval": "p", "digest": gate.digest, "by": "kim"})
        result = RunResult.model_validate(await latest.result())
        assert result.outcome is Outcome.COMPLETED
        assert result.receipts == {"stale": 150, "applied": 1}
        assert len(desk.effects(tool="pay")) == 1
        assert await generations(handle) >= 2


async def test_a_chain_of_steps_continues_as_new_between_two_of_them(short_histories: Client, tmp_path: Path) -> None:
    """At some point nothing is under way and the next step is ready: the run goes on in a new history."""
    async with desks.desk(short_histories, tmp_path) as desk:
        desk.model.script("done")
        steps = [{"id": "s0", "tool": "look", "args": {"value": 0}}]
        steps += [{"id": f"s{n}", "tool": "look", "args": {"value": {"$ref": f"s{n - 1}"}}} for n in range(1, 30)]
        handle = await desk.start(plan={"steps": steps})
        result = RunResult.model_validate(await desk.client.get_workflow_handle(handle.id).result())
        assert result.outcome is Outcome.COMPLETED, result.summary
        assert [effect["call"] for effect in desk.effects(tool="look")] == [f"s{n}" for n in range(30)]
        assert await generations(handle) >= 2
