"""A refused request costs no call of a model, whichever guardrail refuses; one that fails refuses too."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities import admission
from activities.guardrails.contracts import Asked, Said
from activities.guardrails.registry import INPUT
from plangate.policy import Action
from plangate.run_status import RunResult
from plangate.runs import WORKFLOW, Outcome
from tests.fake_model import by_task
from tests.guardrails.examples import CHANGED, REFUSED
from tests.workflows.desk import Desk, pending, result_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run(desk: Desk, name: str, fields: dict[str, object]) -> RunResult:
    return await desk.run(id=f"refused-{name.replace('.', '-')}-{desk.task_queue}", **fields)


async def test_a_refused_request_costs_no_call_of_a_model(desk: Desk) -> None:
    desk.model.script(by_task(plan={"goal": "x", "steps": []}, answer="Here."))
    ended = await asyncio.gather(*(run(desk, name, fields) for name, fields in REFUSED.items()))
    assert desk.model.requests == []
    for name, result in zip(REFUSED, ended, strict=True):
        assert (name, result.outcome, result.usage.calls) == (name, Outcome.DECLINED, 0)
        (verdict,) = result.verdicts
        assert (verdict.guard, verdict.action) == (name, Action.BLOCK)
        assert result.answer.startswith(verdict.reason)
    (told,) = (result.answer for name, result in zip(REFUSED, ended, strict=True) if name == "input.scope")
    assert told.startswith("The stars know nothing of tests.")
    # The same model answers what isn't refused: the count above is no accident.
    (changed,) = CHANGED.values()
    assert (await run(desk, "changed", changed)).outcome is Outcome.COMPLETED
    assert len(desk.model.requests) == 2


async def test_a_guardrail_that_fails_refuses_and_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(asked: Asked) -> Said:
        raise ZeroDivisionError(asked.text)

    broken = tuple(dataclasses.replace(guard, check=breaks) if "scope" in guard.name else guard for guard in INPUT)
    monkeypatch.setattr(admission, "INPUT", broken)
    result = await run(desk, "broken", {"request": "please"})
    assert result.outcome is Outcome.DECLINED
    assert [(verdict.guard, verdict.rule) for verdict in result.verdicts] == [("input.scope", "input.scope.failed")]
    assert "our own checks failed" in result.answer
    assert "ZeroDivisionError" in result.verdicts[0].detail
    assert desk.model.requests == []


MALFORMED = {
    "half a character": rb'{"agent": "desk", "request": "\ud800 where"}',
    "bare control characters": b'{"agent": "desk", "request": "\x01\x02"}',
    "deep": b'{"agent": "desk", "request": "x", "input": {"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
    "cut off": b'{"agent": "desk"',
    "bytes": b"\x80\x81",
}
UNREADABLE = {
    "not UTF-8": b'{"agent": "desk", "request": "\xff\xfe where"}',
    "control characters": rb'{"agent": "desk", "request": "\u0000\u0001"}',
}


async def start(desk: Desk, data: bytes) -> RunResult:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=data)
    handle = await desk.client.start_workflow(
        WORKFLOW,
        RawValue(payload),
        id=f"malformed-{uuid.uuid4().hex[:8]}",
        task_queue=desk.task_queue,
        result_type=RunResult,
    )
    return await asyncio.wait_for(handle.result(), 30)


async def test_bytes_that_are_no_request_end_clearly_and_cost_nothing(desk: Desk) -> None:
    ended = await asyncio.gather(*(start(desk, data) for data in MALFORMED.values()), return_exceptions=True)
    for name, failure in zip(MALFORMED, ended, strict=True):
        assert isinstance(failure, WorkflowFailureError), name
        assert isinstance(failure.cause, ApplicationError)
        assert failure.cause.type == "InvalidInput"
        assert "the input of AgentRun is not right" in failure.cause.message
    for result in await asyncio.gather(*(start(desk, data) for data in UNREADABLE.values())):
        assert (result.outcome, result.verdicts[0].rule) == (Outcome.DECLINED, "text.unreadable")
    assert desk.model.requests == []


NOT_FINITE = {
    "input": (
        b'{"agent": "desk", "request": "please", "input": {"a": [1, NaN]}}',
        "NaN is not a JSON number: input.a[1]",
    ),
    "plan": (
        b'{"agent": "desk", "plan": {"steps": [{"id": "a", "tool": "look", "args": {"value": -Infinity}}]}}',
        "-Infinity is not a JSON number: plan.steps[0].args.value",
    ),
}


@pytest.mark.parametrize("name", sorted(NOT_FINITE))
async def test_a_number_that_json_doesnt_have_is_refused_with_its_place(desk: Desk, name: str) -> None:
    data, told = NOT_FINITE[name]
    raw = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=data))
    handle = await desk.client.start_workflow(
        WORKFLOW, raw, id=f"nan-{name}-{desk.task_queue}", task_queue=desk.task_queue
    )
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(handle.result(), 30)
    assert isinstance(caught.value.cause, ApplicationError)
    assert (caught.value.cause.type, told in caught.value.cause.message) == ("InvalidInput", True)
    assert not desk.effects()


async def test_an_edit_with_such_a_number_changes_nothing(desk: Desk) -> None:
    handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 500}}]})
    (gate,) = await pending(handle)
    edit = f'{{"approval": "p", "digest": "{gate.digest}", "args": {{"to": "ann", "amount": NaN}}}}'.encode()
    raw = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=edit))
    await handle.signal("edit", raw)
    update = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=edit[:-1] + b', "action": "edit"}'))
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("decide", update)
    assert "NaN is not a JSON number: args.amount" in str(refused.value.cause)
    (still,) = await pending(handle)
    assert still == gate
    desk.model.script("done")
    await handle.signal("approve", {"approval": "p", "digest": gate.digest})
    result = await result_of(handle)
    assert (result.outcome, result.receipts) == (Outcome.COMPLETED, {"unknown": 1, "applied": 1})
    assert [effect["amount"] for effect in desk.effects(tool="pay")] == [500]
