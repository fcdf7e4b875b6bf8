"""An effect whose outcome nobody knows ends the run as failed, whatever else happens to the run meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.worker import Replayer

from activities.catalogue import Catalogue
from activities.checked import Checked
from activities.storage.dead_letters import DeadLetters
from activities.tool_calls import ToolActivities
from plangate.errors import ErrorType
from plangate.pacing import Wait
from plangate.run_status import RunResult
from plangate.runs import Outcome, StepStatus
from plangate.tasks import CallResult
from plangate.temporal import PlangatePlugin
from tests.workflows.desk import AGENTS, Desk, eventually, result_of, status_of
from workers.dead_letters.outlook import look_ahead
from workers.dead_letters.resolve import Answer, Resolution, resolve
from workers.dead_letters.resume import resume
from workflows.agent_run import AgentRun

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def letters(desk: Desk) -> DeadLetters:
    return DeadLetters(desk.store)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load([AGENTS])


async def ledger(desk: Desk) -> list[tuple[str, str]]:
    async with desk.store.reading() as connection:
        rows = await connection.execute(text("SELECT call, state FROM ledger ORDER BY call"))
        return [(row.call, row.state) for row in rows]


async def is_left_to_a_person(desk: Desk, result: RunResult, step: str) -> None:
    assert result.error is not None
    assert (result.outcome, result.error.type) == (Outcome.FAILED, ErrorType.OUTCOME_UNKNOWN)
    assert result.error.step == step
    (letter,) = await DeadLetters(desk.store).listed()
    assert (letter.run, letter.error.type, letter.error.step) == (result.run, ErrorType.OUTCOME_UNKNOWN, step)
    assert dict(await ledger(desk))[step] == "unknown"


async def test_patience_that_the_call_has_not_leaves_the_attempt_before_unknown(desk: Desk) -> None:
    """The last attempt had no effect for sure; a revised plan or a fallback would pay a second time."""
    instead = {"tool": "pay", "args": {"to": "ann", "amount": 5}}
    step = {"id": "l", "tool": "lend", "args": {"what": "x"}, "fallback": instead}
    desk.model.script({"goal": "g", "steps": [step]}, {"goal": "g", "steps": [{"id": "again", **instead}]}, "fine")
    result = await desk.run()
    await is_left_to_a_person(desk, result, "l")
    assert len(desk.effects(tool="lend")) == 2
    assert not desk.effects(tool="pay")


HAND_OVER = {"id": "d", "tool": "hand_over", "args": {"what": "it"}}
FAIL = {"tool": "fail", "args": {"how": "permanent"}}


async def after_failures(desk: Desk, handle: WorkflowHandle[Any, RunResult], count: int = 1) -> RunResult:
    """Let the effect end without an answer when others have failed."""

    async def failed() -> bool:
        return sum(each.status is StepStatus.FAILED for each in (await status_of(handle)).steps) >= count

    await eventually(failed)
    desk.say("it")
    return await result_of(handle)


@pytest.mark.parametrize("planned", [True, False], ids=["by a model", "by the caller"])
async def test_another_step_that_failed_before_changes_nothing(desk: Desk, *, planned: bool) -> None:
    """The plan is not revised: the next one might do it again."""
    plan = {"goal": "g", "steps": [HAND_OVER, {"id": "f", **FAIL}]}
    desk.model.script(plan, {"goal": "g", "steps": [{**HAND_OVER, "id": "again"}]}, "fine")
    handle = await desk.start(plan=None if planned else plan)
    await is_left_to_a_person(desk, await after_failures(desk, handle), "d")
    assert len(desk.effects(tool="hand_over")) == 1


async def test_a_limit_that_was_reached_before_changes_nothing(desk: Desk) -> None:
    """Otherwise a person would take over who isn't asked whether it happened."""
    others = [{"id": f"f{number}", **FAIL, "optional": True} for number in range(4)]
    handle = await desk.start(plan={"steps": [HAND_OVER, *others]})
    await is_left_to_a_person(desk, await after_failures(desk, handle, 4), "d")


async def test_another_item_that_failed_before_changes_nothing(desk: Desk) -> None:
    """`refused` fails for sure while `it` is under way."""
    items = {"id": "d", "tool": "hand_over", "args": {"what": {"$ref": "item"}}, "for_each": "input.items"}
    handle = await desk.start(plan={"steps": [items]}, input={"items": ["it", 5]})

    async def failed() -> bool:
        return ("d.0", "intended") in await ledger(desk)

    await eventually(failed)
    desk.say("it")
    result = await result_of(handle)
    assert result.error is not None
    assert (result.outcome, result.error.type) == (Outcome.FAILED, ErrorType.OUTCOME_UNKNOWN)


# --- cancelled ---


async def cancel(handle: WorkflowHandle[Any, RunResult], how: str, step: str) -> None:
    if how == "the run":
        await handle.cancel()
    else:
        await handle.signal("cancel_step", {"step": step, "by": "kim"})


@pytest.mark.parametrize("what", ["the run", "the step"])
@pytest.mark.parametrize("while_", ["its dependency is down", "it is to be tried again"])
async def test_what_is_cancelled_in_doubt_is_left_to_a_person(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue, what: str, while_: str
) -> None:
    """The ledger has an intent, and no attempt will tell any more how it ended."""
    down = desk.effects_file.with_suffix(".down")
    down.touch()
    ship = {"tool": "ship", "args": {"what": "x"}}
    lend = {"tool": "lend", "args": {"what": "x", "patience": 4}}
    handle = await desk.start(plan={"steps": [{"id": "s", **(ship if "down" in while_ else lend)}]})

    async def waits() -> bool:
        if "down" in while_:
            return any("is down" in each.reason for each in (await status_of(handle)).steps)
        return len(desk.effects(tool="lend")) == 2

    await eventually(waits)
    await cancel(handle, what, "s")
    result = await result_of(handle)
    await is_left_to_a_person(desk, result, "s")
    replayed = await Replayer(workflows=[AgentRun], plugins=[PlangatePlugin(strict=True)]).replay_workflow(
        await handle.fetch_history(), raise_on_replay_failure=False
    )
    assert replayed.replay_failure is None
    outlook = await look_ahead(letters, await letters.get(result.run), namespace=desk.client.namespace)
    assert [call.call for call in outlook.unresolved] == ["s"]
    answer = Resolution("s", Answer.DONE, "kim", "asked the warehouse", "shipped")
    await resolve(desk.store, catalogue, result.run, answer, namespace=desk.client.namespace)
    desk.model.script("fine")
    done = await resume(desk.client, desk.store, catalogue, result.run, by="kim")
    resumed = desk.client.get_workflow_handle(done.run, result_type=RunResult)
    assert (await result_of(resumed)).outcome is Outcome.COMPLETED


async def test_a_step_that_is_done_before_it_can_be_cancelled_is_done(desk: Desk) -> None:
    """The answer must not say that it is missing."""
    desk.model.script("delivered")
    handle = await desk.start(plan={"steps": [{"id": "s", "tool": "deliver", "args": {"what": "it"}}]})
    await eventually(lambda: is_intended(desk))
    await cancel(handle, "the step", "s")

    async def asked() -> bool:
        return "ACTIVITY_TASK_CANCEL_REQUESTED" in str((await handle.fetch_history()).to_json())

    await eventually(asked)
    desk.say("it")
    result = await result_of(handle)
    assert (result.outcome, [each.status for each in result.steps]) == (Outcome.COMPLETED, [StepStatus.DONE])
    assert (await ledger(desk), len(desk.effects(tool="deliver"))) == ([("s", "done")], 1)


async def is_intended(desk: Desk) -> bool:
    return any(state == "intended" for _, state in await ledger(desk))


async def test_an_effect_of_a_cancelled_run_that_ends_in_time_is_told(desk: Desk, letters: DeadLetters) -> None:
    handle = await desk.start(plan={"steps": [{"id": "s", "tool": "deliver", "args": {"what": "it"}}]})
    await eventually(lambda: is_intended(desk))
    await handle.cancel()
    desk.say("it")
    with pytest.raises(WorkflowFailureError) as failure:
        await asyncio.wait_for(handle.result(), 30)
    assert isinstance(failure.value.cause, CancelledError)
    status = await status_of(handle)
    assert (status.outcome, [each.status for each in status.steps]) == (Outcome.CANCELLED, [StepStatus.DONE])
    assert await letters.listed() == []


async def test_a_run_whose_undoing_is_in_doubt_when_it_is_cancelled_is_left_to_a_person(
    desk: Desk, letters: DeadLetters
) -> None:
    steps = [
        {"id": "r", "tool": "reserve", "args": {"what": "doubtful"}},
        {"id": "w", "tool": "wait_for", "args": {"word": "no"}},
    ]
    handle = await desk.start(plan={"steps": steps})
    await eventually(lambda: waits_for_word(desk))
    await handle.cancel()
    result = await result_of(handle)
    assert result.error is not None
    assert (result.outcome, result.error.type) == (Outcome.FAILED, ErrorType.OUTCOME_UNKNOWN)
    assert [letter.run for letter in await letters.listed()] == [handle.id]


async def waits_for_word(desk: Desk) -> bool:
    return bool(desk.effects(tool="wait_for"))


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.FAILED])
async def test_a_run_that_is_cancelled_while_it_writes_its_end_down_is_written_down(
    desk: Desk, letters: DeadLetters, outcome: Outcome
) -> None:
    desk.model.script("fine")
    steps = [{"id": "w", "tool": "wait_for", "args": {"word": "it"}}]
    if outcome is Outcome.FAILED:
        steps.append({"id": "f", **FAIL, "after": ["w"]})
    handle = await desk.start(plan={"steps": steps})
    await eventually(lambda: waits_for_word(desk))
    desk.say("it")

    async def ended() -> bool:
        return (await status_of(handle)).outcome is not None

    while not await ended():
        async with desk.store.transaction():
            await asyncio.sleep(0.2)
            if await ended():
                await handle.cancel()
                await asyncio.sleep(0.2)
    result = await result_of(handle)
    assert result.outcome is outcome
    async with desk.store.reading() as connection:
        assert (await connection.execute(text("SELECT outcome FROM runs"))).scalar() == outcome.value
    assert len(await letters.listed()) == (outcome is Outcome.FAILED)


@pytest.mark.parametrize("what", ["the run", "the step"])
async def test_a_call_that_is_early_when_it_is_cancelled_is_not_made_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Its activity ends as early before it hears of the cancellation, which must not be forgotten then."""
    first, go_on, asked = ToolActivities._when_free, asyncio.Event(), asyncio.Event()

    async def early_once(tools: ToolActivities, checked: Checked) -> CallResult:
        if asked.is_set():
            return await first(tools, checked)
        asked.set()
        while not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go_on.wait()
        return CallResult(early=Wait(dependency="bank", why="60 requests a minute", seconds=0.5))

    monkeypatch.setattr(ToolActivities, "_when_free", early_once)
    desk.model.script("not paid")
    handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 5}}]})
    await asyncio.wait_for(asked.wait(), 20)
    await cancel(handle, what, "p")

    async def requested() -> bool:
        events = (await handle.fetch_history()).events
        return any(each.HasField("activity_task_cancel_requested_event_attributes") for each in events)

    await eventually(requested)
    go_on.set()
    if what == "the run":
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 30)
    else:
        result = await result_of(handle)
        assert [each.status for each in result.steps] == [StepStatus.CANCELLED]
    assert not desk.effects(tool="pay")
    assert await ledger(desk) == []
