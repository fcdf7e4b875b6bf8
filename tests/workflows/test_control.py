from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import RawValue
from temporalio.exceptions import CancelledError

from plangate.errors import ErrorType
from plangate.run_status import RunStatus
from plangate.runs import Outcome, Phase, StepStatus
from tests.fake_model import hang, quota_exhausted
from tests.workflows.desk import Desk, eventually, pending, result_of, status_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAY = {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}


async def test_cancel_at_a_gate_ends_the_run_and_records_it(desk: Desk) -> None:
    handle = await desk.start(plan={"steps": [PAY]})
    (gate,) = await pending(handle)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await asyncio.wait_for(handle.result(), 30)
    assert isinstance(failure.value.cause, CancelledError)
    status: RunStatus = await status_of(handle)
    assert status.outcome is Outcome.CANCELLED
    assert not desk.effects()
    async with desk.store.reading() as connection:
        assert (await connection.execute(text("SELECT outcome FROM runs"))).scalar() == "cancelled"
        assert (await connection.execute(text("SELECT status FROM approvals"))).scalar() == "withdrawn"
    assert gate.call == "p"


@pytest.mark.parametrize("while_", ["it plans", "it answers"])
async def test_cancelling_a_run_that_waits_for_a_model_is_no_failure_of_the_model(desk: Desk, while_: str) -> None:
    desk.model.script(hang())
    handle = await desk.start(plan=None if while_ == "it plans" else {"steps": [{"id": "a", "tool": "look"}]})
    await asyncio.to_thread(desk.model.wait_for_requests, 1)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await asyncio.wait_for(handle.result(), 30)
    assert isinstance(failure.value.cause, CancelledError)
    assert (await status_of(handle)).outcome is Outcome.CANCELLED
    async with desk.store.reading() as connection:
        assert (await connection.execute(text("SELECT outcome FROM runs"))).scalar() == "cancelled"
        assert (await connection.execute(text("SELECT count(*) FROM dead_letters"))).scalar() == 0


async def test_pause_starts_nothing_new_and_resume_goes_on(desk: Desk) -> None:
    desk.model.script("done")
    handle = await desk.start(plan={"steps": [PAY, {"id": "b", "tool": "look", "after": ["p"]}]})
    (gate,) = await pending(handle)
    await handle.signal("pause", {"by": "kim", "reason": "lunch"})
    await handle.signal("approve", {"approval": "p", "digest": gate.digest, "by": "kim"})

    async def decided() -> bool:
        return (await status_of(handle)).pending == []

    await eventually(decided)
    assert (await status_of(handle)).phase is Phase.PAUSED
    assert not desk.effects()
    await handle.signal("resume", {"by": "kim"})
    result = await result_of(handle)
    assert result.outcome is Outcome.COMPLETED
    assert [effect["tool"] for effect in desk.effects()] == ["pay", "look"]


async def test_a_pause_between_steps_does_not_end_the_run(desk: Desk) -> None:
    """Nothing is under way and something could start: the run waits, it isn't done."""
    desk.model.script("done")
    steps = [{"id": "a", "tool": "wait_for", "args": {"word": "go"}}, {"id": "b", "tool": "look", "after": ["a"]}]
    handle = await desk.start(plan={"steps": steps})

    async def waiting() -> bool:
        return bool(desk.effects(tool="wait_for"))

    await eventually(waiting)
    await handle.signal("pause", {"by": "kim"})
    desk.say("go")

    async def done() -> bool:
        return (await status_of(handle)).steps[0].status is StepStatus.DONE

    await eventually(done)
    assert (await status_of(handle)).phase is Phase.PAUSED
    assert not desk.effects(tool="look")
    await handle.signal("resume", {"by": "kim"})
    assert (await result_of(handle)).outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="look")) == 1


async def test_cancel_step_leaves_the_others_alone(desk: Desk) -> None:
    desk.model.script("done")
    plan = {
        "steps": [PAY, {"id": "x", "tool": "look", "args": {"value": 1}}, {"id": "y", "tool": "look", "after": ["p"]}]
    }
    handle = await desk.start(plan=plan)
    await pending(handle)
    await handle.signal("cancel_step", {"step": "p", "by": "kim", "reason": "changed my mind"})
    result = await result_of(handle)
    assert result.outcome is Outcome.DEGRADED
    assert {report.id: report.status for report in result.steps} == {
        "p": StepStatus.CANCELLED,
        "x": StepStatus.DONE,
        "y": StepStatus.SKIPPED,
    }
    assert "changed my mind" in "; ".join(result.gaps)
    assert not desk.effects(tool="pay")


@pytest.mark.parametrize(
    "input",
    [
        {"agent": "desk", "request": 5},
        {"agent": ["desk"], "request": "x"},
        "just text",
        [1, 2],
        {"agent": "desk", "request": "x", "plan": "no"},
        None,
        RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"agent": "desk", "request": "\\ud800"}')),
        RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"{" * 5)),
        RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"[" * 5000 + b"]" * 5000)),
    ],
)
async def test_wrong_json_fails_the_run_at_once(desk: Desk, input: Any) -> None:
    handle = await desk.client.start_workflow(
        "AgentRun", input, id=f"wrong-{uuid.uuid4().hex}", task_queue=desk.task_queue
    )
    with pytest.raises(WorkflowFailureError) as failure:
        await asyncio.wait_for(handle.result(), 20)
    assert getattr(failure.value.cause, "type", "") in (ErrorType.INVALID_INPUT.value, ErrorType.UNKNOWN_AGENT.value)
    assert "agent" in str(failure.value.cause)


@pytest.mark.parametrize("count", [0, 2])
async def test_a_wrong_number_of_inputs_fails_the_run_at_once(desk: Desk, count: int) -> None:
    arguments = [{"agent": "desk", "request": "x"}] * count
    handle = await desk.client.start_workflow(
        "AgentRun", args=arguments, id=f"count-{count}", task_queue=desk.task_queue
    )
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(handle.result(), 20)
    assert (await handle.describe()).status is WorkflowExecutionStatus.FAILED


async def test_the_same_id_twice_is_one_run(desk: Desk) -> None:
    desk.model.script("done")
    plan = {"steps": [PAY]}
    first = await desk.start(plan=plan, id="same")
    second = await desk.start(plan=plan, id="same")
    (gate,) = await pending(second)
    await second.signal("approve", {"approval": "p", "digest": gate.digest})
    assert (await result_of(first)).run == (await result_of(second)).run
    assert len(desk.effects(tool="pay")) == 1


async def test_the_timeline_tells_what_happened(desk: Desk) -> None:
    desk.model.script("done")
    handle = await desk.start(plan={"steps": [PAY]})
    (gate,) = await pending(handle)
    await handle.signal("approve", {"approval": "p", "digest": gate.digest, "by": "kim"})
    await result_of(handle)
    events = await handle.query("timeline", 0)
    assert [event["kind"] for event in events] == ["admitted", "planned", "asked", "decided", "done", "ended"]
    assert await handle.query("timeline", 5) == events[5:]


async def test_an_answer_that_no_model_can_write_is_canned(desk: Desk) -> None:
    desk.model.script(quota_exhausted())
    result = await desk.run(plan={"steps": [{"id": "a", "tool": "look", "title": "Look it up"}]})
    assert result.outcome is Outcome.DEGRADED
    assert "Look" in result.answer


async def test_a_planner_that_cannot_be_reached_fails_the_run_clearly(desk: Desk) -> None:
    desk.model.script(quota_exhausted())
    result = await desk.run()
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert result.error.type is ErrorType.QUOTA_EXHAUSTED
