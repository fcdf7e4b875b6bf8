"""Deadlines on a server whose time skips forward."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from plangate.approvals import GateStatus
from plangate.errors import ErrorType
from plangate.runs import Outcome
from plangate.temporal import SEARCH_ATTRIBUTES, PlangatePlugin
from tests.workflows import desk as desks
from tests.workflows.limited import limited
from workers.setup import _TYPES as KINDS

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAY = {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    path = Path(sys.executable).parent / "temporal-test-server"
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(path), plugins=[PlangatePlugin(strict=True)]
    )
    async with environment:
        request = AddSearchAttributesRequest(
            namespace="default", search_attributes={name: KINDS[kind] for name, kind in SEARCH_ATTRIBUTES.items()}
        )
        await environment.client.operator_service.add_search_attributes(request)
        yield environment


async def test_nobody_decides_in_time(skipping: WorkflowEnvironment, tmp_path: Path) -> None:
    async with desks.desk(skipping.client, tmp_path) as desk:
        desk.model.script("Nobody decided.")
        handle = await desk.start(plan={"steps": [PAY, {"id": "n", "tool": "look", "after": ["p"]}]})
        result = await desks.result_of(handle)
        assert result.outcome is Outcome.REJECTED
        assert result.approvals[0].status is GateStatus.EXPIRED
        assert result.started_at is not None
        assert result.ended_at is not None
        assert timedelta(hours=1) <= result.ended_at - result.started_at < timedelta(hours=1, minutes=5)
        assert result.steps[0].error is not None
        assert result.steps[0].error.type is ErrorType.EXPIRED
        assert not desk.effects()


async def test_a_decision_after_the_deadline_changes_nothing(skipping: WorkflowEnvironment, tmp_path: Path) -> None:
    async with desks.desk(skipping.client, tmp_path) as desk:
        desk.model.script("done")
        other = {"id": "q", "tool": "erase", "args": {"thing": "x"}, "after": ["look"]}
        look = {"id": "look", "tool": "look"}
        handle = await desk.start(plan={"steps": [PAY, look, other]})
        first = {gate.call: gate for gate in await desks.pending(handle, 2)}["p"]
        await skipping.sleep(timedelta(hours=1, seconds=30))
        result = await desks.result_of(handle)
        assert first.digest
        assert result.outcome is Outcome.REJECTED
        assert not desk.effects(tool="pay")


async def test_time_at_a_gate_is_not_time_of_the_run(skipping: WorkflowEnvironment, tmp_path: Path) -> None:
    agents = limited(tmp_path, Time_for_a_run="10 minutes")
    async with desks.desk(skipping.client, tmp_path, agents=agents) as desk:
        desk.model.script("done")
        handle = await desk.start(plan={"steps": [PAY, {"id": "n", "tool": "look", "after": ["p"]}]})
        (gate,) = await desks.pending(handle)
        await skipping.sleep(timedelta(minutes=50))
        await handle.signal("approve", {"approval": gate.id, "digest": gate.digest})
        result = await desks.result_of(handle)
        assert result.outcome is Outcome.COMPLETED, result.summary
        assert result.started_at is not None
        assert result.ended_at is not None
        assert result.ended_at - result.started_at >= timedelta(minutes=50)


async def test_time_in_which_a_call_waits_for_its_dependency_is(skipping: WorkflowEnvironment, tmp_path: Path) -> None:
    agents = limited(tmp_path, Time_for_a_run="20 seconds")
    async with desks.desk(skipping.client, tmp_path, agents=agents) as desk:
        desk.effects_file.with_suffix(".down").touch()
        desk.model.script("That is all.")
        handle = await desk.start(plan={"steps": [{"id": "a", "tool": "look"}, {"id": "s", "tool": "stock"}]})
        result = await desks.result_of(handle)
        assert (result.outcome, result.answer) == (Outcome.DEGRADED, "That is all.")
        assert result.gaps == ["stock: cancelled (the time for the run, 20 seconds, is over)"]
