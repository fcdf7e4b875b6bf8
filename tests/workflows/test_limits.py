"""Limits of single actions, drafts and budgets in whole runs."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowUpdateFailedError

from plangate.approvals import Receipt
from plangate.errors import ErrorType
from plangate.runs import Outcome
from tests.workflows import desk as desks
from tests.workflows.desk import Desk, pending, result_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABLES = """
## Limits of single actions

| Tool | Argument | Limit | When exceeded |
|---|---|---|---|
| pay | amount | at most £500 | never |
| pay | calls in a run | at most 2 calls | asks the owner |
| look | value | one of tea, cups | asks the owner |
"""


def agents_with(folder: Path, tables: str) -> Path:
    """The desk's agent with further tables in its scope."""
    agents = folder / "agents"
    shutil.copytree(desks.AGENTS / "desk", agents / "desk")
    scope = agents / "desk" / "scope.md"
    text = scope.read_text().replace("| erase | Deletes a thing | asks first |", "| erase | Deletes | drafts it |")
    scope.write_text(text + tables)
    return agents


@pytest_asyncio.fixture(loop_scope="session")
async def limited(client: Client, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desks.desk(client, tmp_path, agents=agents_with(tmp_path, TABLES)) as system:
        yield system


def pays(*amounts: float) -> dict[str, Any]:
    return {"steps": [{"id": f"p{n}", "tool": "pay", "args": {"to": "x", "amount": a}} for n, a in enumerate(amounts)]}


async def test_calls_beyond_the_limit_of_a_run_ask(limited: Desk) -> None:
    limited.model.script("Paid.")
    plan = {"steps": [{"id": "p", "tool": "pay", "for_each": "[1, 2, 3, 4]", "args": {"to": "x", "amount": 1}}]}
    plan["steps"][0]["for_each"] = "input.amounts"
    handle = await limited.start(plan=plan, input={"amounts": [1, 2, 3, 4]})
    gates = await pending(handle, 2)
    assert {gate.rule for gate in gates} == {"scope.actions.pay.calls-in-a-run"}
    assert "it is call 3 of pay in this run" in " ".join(gate.reason for gate in gates)
    assert all("the owner is asked" in gate.reason for gate in gates)
    for gate in gates:
        await handle.signal("approve", {"approval": gate.call, "digest": gate.digest, "by": "kim"})
    assert (await result_of(handle)).outcome is Outcome.COMPLETED
    assert len(limited.effects(tool="pay")) == 4


async def test_a_value_beyond_its_limit_is_never_done_and_a_read_beyond_its_limit_asks(limited: Desk) -> None:
    refused = await limited.run(plan=pays(501))
    assert refused.error is not None
    assert (refused.outcome, refused.error.type) == (Outcome.FAILED, ErrorType.BLOCKED)
    assert "amount is £501.00; the scope says 'at most £500'" in refused.error.message
    limited.model.script("Looked.", "Not looked.")
    looks = {"steps": [{"id": "l", "tool": "look", "args": {"value": "tea"}}]}
    assert (await limited.run(plan=looks)).outcome is Outcome.COMPLETED
    looks["steps"][0]["args"] = {"value": "coffee"}
    handle = await limited.start(plan=looks)
    (gate,) = await pending(handle)
    await handle.signal("reject", {"approval": gate.id, "by": "kim"})
    assert (await result_of(handle)).outcome is Outcome.REJECTED
    assert [effect["tool"] for effect in limited.effects()] == ["look"]


async def test_what_the_agent_drafts_a_person_does(limited: Desk) -> None:
    limited.model.script("Erased by hand.")
    handle = await limited.start(plan={"steps": [{"id": "e", "tool": "erase", "args": {"thing": "cup"}}]})
    (gate,) = await pending(handle)
    assert gate.draft
    decision = {"approval": gate.id, "digest": gate.digest, "by": "kim"}
    for wrong in ({"action": "approve"}, {"action": "edit", "args": {"thing": "pot"}}):
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update("decide", {**decision, **wrong}, result_type=Receipt)
        assert "erase is only drafted here" in str(caught.value.cause)
    await handle.signal("respond", {**decision, "response": {"erased": "by hand"}})
    result = await result_of(handle)
    assert (result.outcome, result.steps[0].status.value) == (Outcome.COMPLETED, "done")
    assert not limited.effects()


SPENDING = """
## Spending limits

| What | Counted | At most | When exceeded |
|---|---|---|---|
| pay amount | per run | £10 | asks the owner |
| pay amount | per user and day | £40 | never |
| models | per user and day | {tokens} tokens | declines |
"""


async def test_amounts_split_into_many_small_ones_open_a_gate_that_names_the_budget(
    client: Client, tmp_path: Path
) -> None:
    async with desks.desk(client, tmp_path, agents=agents_with(tmp_path, SPENDING.format(tokens="900,000"))) as desk:
        desk.model.script(*["Paid."] * 4)
        handle = await desk.start(plan=pays(4, 4, 4, 4), user="u")
        gates = await pending(handle, 2)
        assert {gate.rule for gate in gates} == {"scope.spending.pay.amount.run"}
        assert (
            "£4.00 is more than is left of £10.00 per run for pay amount (£2.00); the owner is asked" in gates[0].reason
        )
        assert len(desk.effects(tool="pay")) == 2
        for gate in gates:
            await handle.signal("approve", {"approval": gate.call, "digest": gate.digest, "by": "kim"})
        assert (await result_of(handle)).outcome is Outcome.COMPLETED
        assert sum(effect["amount"] for effect in desk.effects(tool="pay")) == 16
        for _ in range(2):
            assert (await desk.run(plan=pays(9), user="u")).outcome is Outcome.COMPLETED
        refused = await desk.run(plan=pays(9), user="u")
        assert refused.error is not None
        assert refused.error.type is ErrorType.BLOCKED
        assert "£40.00 per user and day" in refused.error.message
        assert (await desk.run(plan=pays(9), user="v")).outcome is Outcome.COMPLETED


async def test_a_budget_for_models_that_is_used_up_declines_without_asking_one(client: Client, tmp_path: Path) -> None:
    async with desks.desk(client, tmp_path, agents=agents_with(tmp_path, SPENDING.format(tokens="100"))) as desk:
        result = await desk.run("please", user="u")
        assert (result.outcome, result.usage.calls, desk.model.requests) == (Outcome.DECLINED, 0, [])
        assert "Please ask again tomorrow, or ask for a person." in result.answer
