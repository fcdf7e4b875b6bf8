from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowUpdateFailedError

from plangate import strictjson
from plangate.approvals import GateStatus, Receipt, ReceiptStatus
from plangate.plans import Plan
from plangate.run_status import RunResult
from plangate.runs import Outcome, Phase
from tests.workflows.desk import Desk, eventually, pending, result_of, status_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAY = {"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}]}


async def test_approve_by_signal(desk: Desk) -> None:
    desk.model.script("Paid.")
    handle = await desk.start(plan=PAY)
    (gate,) = await pending(handle)
    assert gate.args == {"to": "ann", "amount": 30.0, "note": "none"}
    assert gate.risk == "Money leaves the account."
    assert (await status_of(handle)).phase is Phase.WAITING
    await handle.signal("approve", {"approval": gate.call, "digest": gate.digest, "by": "kim"})
    result = await result_of(handle)
    assert result.outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="pay")) == 1
    assert "approved by kim" in result.summary


async def test_reject_says_why_and_nothing_happens(desk: Desk) -> None:
    desk.model.script("Not paid.")
    plan = {"steps": [*PAY["steps"], {"id": "after", "tool": "look", "args": {"value": 1}, "after": ["p"]}]}
    handle = await desk.start(plan=plan)
    (gate,) = await pending(handle)
    await handle.signal("reject", {"approval": gate.id, "by": "kim", "reason": "too much"})
    result = await result_of(handle)
    assert result.outcome is Outcome.REJECTED
    assert "too much" in "; ".join(result.gaps)
    assert not desk.effects()


async def test_edit_validates_again_and_shows_the_difference(desk: Desk) -> None:
    desk.model.script("Paid.")
    handle = await desk.start(plan=PAY)
    (gate,) = await pending(handle)
    wrong = {
        "approval": gate.id,
        "digest": gate.digest,
        "action": "edit",
        "args": {"to": "ann", "amount": -1},
        "by": "kim",
    }
    receipt = await handle.execute_update("decide", wrong, result_type=Receipt)
    assert receipt.status is ReceiptStatus.INVALID
    assert "amount" in receipt.problems[0]
    right = {**wrong, "args": {"to": "ann", "amount": 12.5}}
    receipt = await handle.execute_update("decide", right, result_type=Receipt)
    assert receipt.status is ReceiptStatus.APPLIED
    assert receipt.edits == ["amount: 30.0 → 12.5"]
    result = await result_of(handle)
    assert [effect["amount"] for effect in desk.effects(tool="pay")] == [12.5]
    assert result.approvals[0].edits == ["amount: 30.0 → 12.5"]


async def test_a_response_takes_the_calls_place(desk: Desk) -> None:
    desk.model.script("done")
    plan = {"steps": [*PAY["steps"], {"id": "n", "tool": "look", "args": {"value": {"$ref": "p.told"}}}]}
    handle = await desk.start(plan=plan)
    (gate,) = await pending(handle)
    decision = {"approval": gate.id, "digest": gate.digest, "response": {"told": "paid in cash"}, "by": "kim"}
    await handle.signal("respond", decision)
    result = await result_of(handle)
    assert result.outcome is Outcome.COMPLETED, result.summary
    assert not desk.effects(tool="pay")
    assert "paid in cash" in desk.model.requests[-1].input


async def test_the_update_refuses_what_would_change_nothing(desk: Desk) -> None:
    desk.model.script("done")
    handle = await desk.start(plan=PAY)
    (gate,) = await pending(handle)

    async def refused(**decision: Any) -> str:
        with pytest.raises(WorkflowUpdateFailedError) as failure:
            await handle.execute_update("decide", {"approval": gate.id, "digest": gate.digest, **decision})
        return str(failure.value.cause)

    assert "no approval 'x'" in await refused(approval="x")
    assert "other arguments" in await refused(digest="0" * 64)
    assert "names the digest" in await refused(digest="")
    await handle.execute_update("decide", {"approval": gate.id, "digest": gate.digest[:16], "by": "kim"})
    result = await result_of(handle)
    assert len(desk.effects(tool="pay")) == 1
    assert result.receipts == {"applied": 1}


async def test_decisions_that_do_not_fit_change_nothing_and_are_recorded(desk: Desk) -> None:
    desk.model.script("done")
    handle = await desk.start(plan=PAY)
    (gate,) = await pending(handle)
    await handle.signal("approve", {"approval": "nothing", "digest": gate.digest})
    await handle.signal("approve", {"approval": gate.id, "digest": "f" * 64})
    await handle.signal("approve", {"approval": gate.id})
    await handle.signal("approve", "what is this")
    await handle.signal("approve", {"approval": ["a"], "digest": 5})
    await handle.signal("approve", {"approval": "other-run/p", "digest": gate.digest})
    assert len(await pending(handle)) == 1
    for _ in range(10):
        await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})
    await handle.signal("reject", {"approval": gate.id, "digest": gate.digest, "by": "lee"})
    result = await result_of(handle)
    assert result.outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="pay")) == 1
    counts = result.receipts
    assert (counts["applied"], counts["stale"], counts["unknown"], counts["invalid"]) == (1, 1, 4, 1)
    assert counts.get("duplicate", 0) <= 9  # those that came before the run ended


async def test_every_decision_is_in_the_database(desk: Desk) -> None:
    desk.model.script("done")
    handle = await desk.start(plan=PAY)
    (gate,) = await pending(handle)
    await handle.signal("approve", {"approval": gate.id, "digest": "f" * 64, "by": "mal"})
    await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})
    result = await result_of(handle)
    async with desk.store.reading() as connection:
        decisions = (await connection.execute(text('SELECT "by", status FROM decisions ORDER BY id'))).all()
        gates = (await connection.execute(text("SELECT status, decided_by FROM approvals"))).all()
        ledger = (await connection.execute(text("SELECT state, approval_id FROM ledger"))).all()
    assert [tuple(row) for row in decisions] == [("mal", "stale"), ("kim", "applied")]
    assert [tuple(row) for row in gates] == [("approved", "kim")]
    assert [tuple(row) for row in ledger] == [("done", gate.id)]
    assert result.outcome is Outcome.COMPLETED


async def test_an_early_decision_is_kept_for_exactly_its_arguments(desk: Desk) -> None:
    """The gate's arguments are known beforehand, so a person may send the approval before the gate is open."""
    desk.model.script("done")
    digest = strictjson.digest({"to": "ann", "amount": 30.0, "note": "none"})
    plan = {"steps": [{"id": "first", "tool": "look"}, {**PAY["steps"][0], "after": ["first"]}]}
    handle = await desk.client.start_workflow(
        "AgentRun",
        {"agent": "desk", "request": "please", "plan": plan},
        id=f"early-{digest[:6]}",
        task_queue=desk.task_queue,
        start_signal="approve",
        start_signal_args=[{"approval": "p", "digest": digest, "by": "kim", "id": "once"}],
    )
    result = RunResult.model_validate(await handle.result())
    assert result.outcome is Outcome.COMPLETED
    assert result.receipts["held"] == 1
    assert result.receipts["applied"] == 1
    assert len(desk.effects(tool="pay")) == 1


async def test_parallel_gates_never_mix_and_hold_up_nothing_else(desk: Desk) -> None:
    desk.model.script("done")
    steps = [{"id": f"p{n}", "tool": "pay", "args": {"to": f"t{n}", "amount": 100 + n}} for n in range(3)]
    steps.append({"id": "free", "tool": "look", "args": {"value": 1}})
    handle = await desk.start(plan={"steps": steps})
    gates = {gate.call: gate for gate in await pending(handle, 3)}

    async def looked() -> bool:
        return bool(desk.effects(tool="look"))

    await eventually(looked)
    await handle.signal("approve", {"approval": "p1", "digest": gates["p2"].digest, "by": "kim"})
    await handle.signal("approve", {"approval": "p2", "digest": gates["p2"].digest, "by": "kim"})
    await handle.signal("reject", {"approval": "p0", "by": "kim"})
    left = await pending(handle, 1)
    assert [gate.call for gate in left] == ["p1"]
    await handle.signal("approve", {"approval": "p1", "digest": gates["p1"].digest, "by": "lee"})
    result = await result_of(handle)
    assert sorted(effect["to"] for effect in desk.effects(tool="pay")) == ["t1", "t2"]
    assert {gate.call: gate.status for gate in result.approvals} == {
        "p0": GateStatus.REJECTED,
        "p1": GateStatus.APPROVED,
        "p2": GateStatus.APPROVED,
    }


async def test_policy_says_what_runs_without_asking(desk: Desk) -> None:
    desk.model.script("done")
    plan = {"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 24.99}}]}
    result = await desk.run(plan=plan)
    assert result.outcome is Outcome.COMPLETED
    assert not result.approvals
    assert len(desk.effects(tool="pay")) == 1


async def test_the_inbox_reads_the_memo_and_search_attributes(desk: Desk) -> None:
    desk.model.script("done")
    handle = await desk.start(plan=PAY, user="kim@example.com")
    (gate,) = await pending(handle)

    async def listed() -> Any:
        query = f'PlangatePending > 0 AND WorkflowId = "{handle.id}"'
        async for execution in desk.client.list_workflows(query):
            return await execution.memo()
        return None

    memo = await eventually(listed)
    assert [entry["id"] for entry in memo["pending"]] == [gate.id]
    await handle.signal("approve", {"approval": "p", "digest": gate.digest})
    await result_of(handle)
    assert await handle.query("plan", result_type=Plan) is not None
    description = await handle.describe()
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert attributes["PlangateStatus"] == "completed"
    assert attributes["PlangatePending"] == 0
    assert attributes["PlangateUser"] == "kim@example.com"
