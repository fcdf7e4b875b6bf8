"""What guardrails of actions and alerts about cost say is in the run's result, its summary and the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from activities.storage import tables
from plangate.policy import Action
from plangate.run_status import RunResult
from plangate.runs import Outcome, Usage
from plangate.tasks import RecordTask
from tests.workflows.desk import Desk, pending, result_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_guardrails_say_of_calls_is_told_and_countable(desk: Desk) -> None:
    steps = [
        {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 80}},
        {"id": "no", "tool": "pay", "args": {"to": "ann", "amount": {"$ref": "word"}}, "optional": True},
        {"id": "word", "tool": "look", "args": {"value": "much"}},
    ]
    desk.model.script("Paid.")
    handle = await desk.start(plan={"steps": steps})
    (gate,) = await pending(handle)
    await handle.signal("approve", {"approval": gate.id, "digest": gate.digest})
    result = await result_of(handle)
    told = {(verdict.guard, verdict.rule, verdict.action, verdict.call) for verdict in result.verdicts}
    assert told == {
        ("action.rule", "scope.tools.pay", Action.ASK, "p"),
        ("action.arguments", "arguments.pay", Action.BLOCK, "no"),
    }
    assert "ask on p by scope.tools.pay: " in result.summary
    async with desk.store.reading() as conn:
        rows = await conn.execute(select(tables.verdicts.c.guard).where(tables.verdicts.c.run == result.run))
        assert sorted(row.guard for row in rows) == ["action.arguments", "action.rule"]


async def test_a_call_that_goes_by_itself_says_too_why_it_was_refused(desk: Desk) -> None:
    """Nothing is bound before it: its activity refuses."""
    steps = [
        {"id": "word", "tool": "look", "args": {"value": {"a": 1}}},
        {"id": "w", "tool": "wait_for", "args": {"word": {"$ref": "word"}}, "optional": True},
    ]
    desk.model.script("Nothing.")
    result = await desk.run(plan={"steps": steps})
    (verdict,) = result.verdicts
    assert (verdict.guard, verdict.rule, verdict.call) == ("action.arguments", "arguments.wait_for", "w")


async def test_a_dear_run_says_so_in_its_summary(desk: Desk) -> None:
    for n in range(10):
        at = datetime.now(UTC) - timedelta(days=40, hours=n)
        cheap = RunResult(run=f"u{n}", agent="desk", outcome=Outcome.COMPLETED, started_at=at, ended_at=at,
                          usage=Usage(calls=1, cost_usd=0.000001))  # fmt: skip
        await desk.store.record(RecordTask(run=cheap.run, result=cheap))
    desk.model.script({"goal": "g", "steps": [{"id": "a", "tool": "look", "args": {"value": 1}}]}, "Done.")
    result = await desk.run()
    assert result.usage.cost_usd > 0.000002
    assert result.summary.splitlines()[-1].startswith(f"Cost alert: The run {result.run} of desk cost $")
    async with desk.store.reading() as conn:
        row = (await conn.execute(select(tables.runs).where(tables.runs.c.run == result.run))).one()
        assert row.summary == result.summary
