from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.worker import Replayer

from activities.catalogue import Catalogue
from activities.storage.dead_letters import DeadLetters
from plangate.errors import InvalidInput
from plangate.run_status import RunResult
from plangate.runs import Event, Outcome, StepStatus
from plangate.strictjson import digest
from plangate.temporal import PlangatePlugin
from tests.workflows.desk import AGENTS, Desk, eventually, pending, result_of, status_of
from workers.dead_letters.resume import Correction, resume
from workers.sweeper import Sweeper
from workflows.agent_run import AgentRun

pytestmark = pytest.mark.asyncio(loop_scope="session")


def plan(*what: str, then: dict[str, Any] | None = None) -> dict[str, Any]:
    """Reserve things one after the other, then fail."""
    steps: list[dict[str, Any]] = []
    for number, thing in enumerate(what):
        after = [steps[-1]["id"]] if steps else []
        steps.append({"id": f"r{number}", "tool": "reserve", "args": {"what": thing}, "after": after})
    last = then or {"id": "f", "tool": "fail", "args": {"how": "permanent"}}
    return {"steps": [*steps, {**last, "after": [steps[-1]["id"]]}]}


async def test_effects_are_undone_in_reverse_order_each_once(desk: Desk) -> None:
    result = await desk.run(plan=plan("a", "b"))
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert result.error.step == "f"
    undone = desk.effects(tool="release")
    assert [(each["what"], each["receipt"]) for each in undone] == [("b", "r-b"), ("a", "r-a")]
    assert [(each.call, each.undone, each.by) for each in result.compensations] == [
        ("r1", True, "release"),
        ("r0", True, "release"),
    ]
    assert "Reserve a — undone" in result.summary
    assert len({each["key"] for each in desk.effects()} - {""}) == 5
    letter = await DeadLetters(desk.store).get(result.run)
    assert letter.run_state is not None
    assert letter.run_state.compensations == result.compensations
    async with desk.store.reading() as connection:
        rows = (await connection.execute(text("SELECT call, state FROM ledger"))).all()
    assert {tuple(row) for row in rows} == {(name, "done") for name in ("r0", "r1", "r0-undo", "r1-undo")}


async def test_what_cannot_be_undone_is_said_and_the_rest_goes_on(desk: Desk) -> None:
    pay = {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 5}}
    steps = plan("a", "stuck", then=pay)["steps"]
    steps.append({"id": "f", "tool": "fail", "args": {"how": "permanent"}, "after": ["p"]})
    result = await desk.run(plan={"steps": steps})
    assert [(each.call, each.undone, each.reason) for each in result.compensations] == [
        ("p", False, "pay does not say how it is undone"),
        ("r1", False, "it can't be released any more"),
        ("r0", True, ""),
    ]
    assert "Reserve stuck — not undone: it can't be released any more" in result.summary


async def test_a_run_that_succeeds_undoes_nothing(desk: Desk) -> None:
    desk.model.script("done")
    result = await desk.run(plan=plan("a", then={"id": "l", "tool": "look"}))
    assert (result.outcome, result.compensations) == (Outcome.COMPLETED, [])
    assert not desk.effects(tool="release")


@pytest.mark.parametrize("answer", ["approve", "reject"])
async def test_undoing_is_gated_where_the_scope_asks(desk: Desk, answer: str) -> None:
    handle = await desk.start(plan=plan("asked"))
    (gate,) = await pending(handle)
    assert (gate.id, gate.tool, gate.args) == (
        f"{handle.id}/r0-undo",
        "release",
        {"what": "asked", "receipt": "r-asked"},
    )
    assert "Reserve asked" in gate.risk
    assert (await status_of(handle)).outcome is None
    receipt = await handle.execute_update(
        "decide", {"approval": gate.id, "action": answer, "digest": gate.digest, "by": "kim", "reason": "so"}
    )
    assert receipt["status"] == "applied"
    result = await result_of(handle)
    (became,) = result.compensations
    assert became.undone is (answer == "approve")
    assert len(desk.effects(tool="release")) == (1 if answer == "approve" else 0)
    assert became.reason == ("" if answer == "approve" else "rejected by kim: so")


async def test_a_decision_on_undoing_that_comes_before_its_gate_opens_is_kept(desk: Desk) -> None:
    """A gate is in the database before the workflow has it, and its worker may die in between."""
    steps = [*plan("asked")["steps"][:1], {"id": "w", "tool": "wait_for", "args": {"word": "go"}}]
    steps.append({"id": "f", "tool": "fail", "args": {"how": "permanent"}, "after": ["r0", "w"]})
    handle = await desk.start(plan={"steps": steps})
    await eventually(lambda: _done(handle, "r0"))
    agreed = digest({"what": "asked", "receipt": "r-asked"})
    await handle.signal("approve", {"approval": f"{handle.id}/r0-undo", "digest": agreed, "by": "kim"})
    await handle.signal("approve", {"approval": f"{handle.id}/other-undo", "digest": agreed, "by": "kim"})
    desk.say("go")
    result = await result_of(handle)
    (became,) = result.compensations
    assert became.undone
    assert result.receipts == {"held": 1, "unknown": 1, "applied": 1}


async def _done(handle: WorkflowHandle[Any, Any], step: str) -> bool:
    return any(each.id == step and each.status is StepStatus.DONE for each in (await status_of(handle)).steps)


async def test_a_cancelled_run_undoes_too(desk: Desk) -> None:
    handle = await desk.start(plan=plan("a", then={"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 90}}))
    await pending(handle)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(handle.result(), 30)
    assert len(desk.effects(tool="release")) == 1
    assert not desk.effects(tool="pay")
    async with desk.store.reading() as connection:
        stored = (await connection.execute(text("SELECT result_json FROM runs"))).scalar_one()
    result = RunResult.model_validate_json(stored)
    assert (result.outcome, [each.undone for each in result.compensations]) == (Outcome.CANCELLED, [True])


async def test_cancelling_while_it_undoes_leaves_the_rest_and_says_so(desk: Desk) -> None:
    handle = await desk.start(plan=plan("a", "asked"))
    await pending(handle)
    await handle.cancel()
    result = await result_of(handle)
    assert result.outcome is Outcome.FAILED
    assert [each.undone for each in result.compensations] == [False, False]
    assert "cancelled while it was undoing" in result.compensations[0].reason
    assert not desk.effects(tool="release")


async def test_a_paused_run_undoes_nothing_more_until_it_is_resumed(desk: Desk) -> None:
    handle = await desk.start(plan=plan("a", "asked"))
    (gate,) = await pending(handle)
    await handle.signal("pause", {"by": "kim"})
    await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})

    async def first() -> bool:
        return any(event.kind == "undone" for event in await handle.query("timeline", result_type=list[Event]))

    await eventually(first)
    assert [each["what"] for each in desk.effects(tool="release")] == ["asked"]
    await handle.signal("resume", {"by": "kim"})
    result = await result_of(handle)
    assert [each.undone for each in result.compensations] == [True, True]


async def test_resuming_does_undone_steps_anew_with_new_keys(desk: Desk) -> None:
    first = await desk.run(plan=plan("a"))
    catalogue = Catalogue.load([AGENTS])
    desk.model.script("done")
    done = await resume(desk.client, desk.store, catalogue, first.run, by="kim", correction=Correction({"times": 0}))
    result = await result_of(desk.client.get_workflow_handle(done.run, result_type=RunResult))
    assert (result.outcome, result.compensations) == (Outcome.COMPLETED, [])
    keys = [each["key"] for each in desk.effects(tool="reserve")]
    assert len(keys) == len(set(keys)) == 2
    assert len(desk.effects(tool="release")) == 1


async def test_a_run_that_is_terminated_while_it_undoes_knows_what_was_undone(desk: Desk) -> None:
    """Its state has the effect as done; the ledger knows of the undoing, or that nobody knows of it."""
    handle = await desk.start(plan=plan("slowly"))

    async def undoing() -> bool:
        return bool(desk.effects(tool="release"))

    await eventually(undoing)
    await handle.terminate("enough")
    sweeper, catalogue = Sweeper(desk.client, desk.store, only=frozenset({handle.id})), Catalogue.load([AGENTS])

    async def swept() -> bool:
        return handle.id in (await sweeper.sweep()).added

    await eventually(swept)
    corrected = Correction({"times": 0})
    with pytest.raises(InvalidInput, match="whether 'Reserve slowly' was undone is not known"):
        await resume(desk.client, desk.store, catalogue, handle.id, by="kim", correction=corrected)
    desk.say("go")

    async def undone() -> bool:
        async with desk.store.reading() as connection:
            rows = (await connection.execute(text("SELECT state FROM ledger"))).scalars().all()
        return list(rows) == ["done", "done"]

    await eventually(undone)
    desk.model.script("done")
    done = await resume(desk.client, desk.store, catalogue, handle.id, by="kim", correction=corrected)
    result = await result_of(desk.client.get_workflow_handle(done.run, result_type=RunResult))
    assert result.outcome is Outcome.COMPLETED
    assert len({each["key"] for each in desk.effects(tool="reserve")}) == 2


async def test_a_run_that_undoes_replays(desk: Desk) -> None:
    handle = await desk.start(plan=plan("a", "asked"))
    (gate,) = await pending(handle)

    async def shown() -> bool:
        return bool((await (await handle.describe()).memo()).get("pending"))

    await eventually(shown)  # the inbox knows
    await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})
    assert (await result_of(handle)).outcome is Outcome.FAILED
    history = await handle.fetch_history()
    replayed = await Replayer(workflows=[AgentRun], plugins=[PlangatePlugin(strict=True)]).replay_workflow(
        history, raise_on_replay_failure=False
    )
    assert replayed.replay_failure is None
