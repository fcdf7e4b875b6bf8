from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.catalogue import Catalogue
from activities.recording import RecordingActivities
from activities.storage.dead_letters import DeadLetters
from plangate.dead_letters import DeadLetterCause, DeadLetterState, Deed
from plangate.errors import ErrorType, InvalidInput
from plangate.run_status import RunResult
from plangate.runs import Outcome, StepStatus
from plangate.tasks import RecordTask
from tests.workflows import desk as desks
from tests.workflows.desk import AGENTS, Desk, eventually, pending, result_of, status_of
from workers.dead_letters import resume as resuming
from workers.dead_letters.outlook import look_ahead
from workers.dead_letters.resolve import Answer, Resolution, resolve
from workers.dead_letters.resume import Correction, resume
from workers.sweeper import Sweeper

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOK = {"id": "a", "tool": "look", "args": {"value": 7}}
PAY = {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 5}, "after": ["a"]}


def failing(how: str = "permanent", times: int = 99, **more: Any) -> dict[str, Any]:
    return {"id": "f", "tool": "fail", "args": {"how": how, "times": times}, "after": ["p"], **more}


@pytest.fixture
def letters(desk: Desk) -> DeadLetters:
    return DeadLetters(desk.store)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load([AGENTS])


async def go_on(
    desk: Desk, catalogue: Catalogue, run: str, **kwargs: Any
) -> tuple[str, WorkflowHandle[Any, RunResult]]:
    done = await resume(desk.client, desk.store, catalogue, run, by="kim", **kwargs)
    return done.run, desk.client.get_workflow_handle(done.run, result_type=RunResult)


async def test_a_failed_run_has_one_dead_letter_with_everything(desk: Desk, letters: DeadLetters) -> None:
    result = await desk.run(plan={"steps": [LOOK, PAY, failing(), {"id": "z", "tool": "look", "after": ["f"]}]})
    assert result.outcome is Outcome.FAILED
    (listed,) = await letters.listed()
    letter = await letters.get(result.run)
    assert listed.run == letter.run == result.run
    assert (letter.state, letter.cause) == (DeadLetterState.OPEN, DeadLetterCause.FAILED)
    assert (letter.error.type, letter.error.step) == (ErrorType.PERMANENT, "f")
    assert letter.error.input == {"how": "permanent", "times": 99}
    assert letter.run_state is not None
    assert letter.run_state.steps["p"].status is StepStatus.DONE
    outlook = await look_ahead(letters, letter, namespace=desk.client.namespace)
    assert (outlook.kept, outlook.repeated) == (["a", "p"], ["f", "z"])


async def test_other_outcomes_have_none(desk: Desk, letters: DeadLetters) -> None:
    desk.model.script("done")
    assert (await desk.run(plan={"steps": [LOOK]})).outcome is Outcome.COMPLETED
    assert await letters.listed() == []


async def test_resuming_with_corrected_arguments_repeats_nothing_that_is_done(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue
) -> None:
    plan = {"steps": [LOOK, PAY, failing(), {"id": "z", "tool": "look", "args": {"value": {"$ref": "p.paid"}}}]}
    plan["steps"][3]["after"] = ["f"]
    first = await desk.run(plan=plan)
    desk.model.script("all is well")
    run, handle = await go_on(desk, catalogue, first.run, correction=Correction({"times": 0}))
    result = await result_of(handle)
    assert (run, result.outcome) == (f"{first.run}-resume-1", Outcome.COMPLETED)
    assert {report.id: report.status for report in result.steps} == dict.fromkeys("apfz", StepStatus.DONE)
    assert len(desk.effects(tool="pay")) == 1
    assert len(desk.effects(tool="look")) == 2
    letter = await letters.get(first.run)
    assert letter.state is DeadLetterState.RESUMED
    assert [(deed.action, deed.by, deed.detail) for deed in letter.history] == [("resumed", "kim", run)]
    with pytest.raises(InvalidInput, match="already resumed by kim"):
        await go_on(desk, catalogue, first.run)


async def test_a_resumed_run_that_fails_again_is_resumed_with_the_same_keys(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue
) -> None:
    first = await desk.run(plan={"steps": [LOOK, {**failing(), "after": ["a"]}, {**PAY, "after": ["f"]}]}, id="again-1")
    assert first.outcome is Outcome.FAILED
    run, handle = await go_on(desk, catalogue, first.run)
    assert (await result_of(handle)).outcome is Outcome.FAILED
    second, handle = await go_on(desk, catalogue, run, correction=Correction({"times": 0}))
    desk.model.script("fine")
    assert (second, (await result_of(handle)).outcome) == ("again-1-resume-2", Outcome.COMPLETED)
    letter = await letters.get(run)
    assert letter.run_state is not None
    assert letter.run_state.effect_identity == "again-1"


async def test_two_people_who_resume_at_once_make_one_run_and_one_of_them_hears_so(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue
) -> None:
    """Otherwise the second one's corrected arguments would be lost without a word."""
    first = await desk.run(plan={"steps": [{**failing(), "after": []}]})
    desk.model.script("fine")
    corrections = [Correction({"times": 0}), Correction({"times": 0, "how": "transient"})]
    done = await asyncio.gather(
        *(go_on(desk, catalogue, first.run, correction=each) for each in corrections), return_exceptions=True
    )
    refused = [each for each in done if isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [InvalidInput]
    assert "already resumed" in str(refused[0])
    assert [deed.action for deed in (await letters.get(first.run)).history] == ["resumed"]


async def test_a_letter_that_is_discarded_while_it_is_resumed_starts_no_run(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await desk.run(plan={"steps": [{**failing(), "after": []}]})
    describe = resuming._describe

    async def in_between(*args: Any) -> Any:
        deed = Deed(at=datetime.now(UTC), action="discarded", by="ann", reason="paid by hand")
        await letters.settle(first.run, DeadLetterState.DISCARDED, deed)
        return await describe(*args)

    monkeypatch.setattr(resuming, "_describe", in_between)
    with pytest.raises(InvalidInput, match="already discarded by ann"):
        await go_on(desk, catalogue, first.run)
    with pytest.raises(RPCError):
        await desk.client.get_workflow_handle(f"{first.run}-resume-1").describe()


async def test_a_run_that_was_started_for_a_letter_that_stayed_open_is_not_lost(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever resumed it died in between: the next one is told that it goes on, with the arguments of then."""
    first = await desk.run(plan={"steps": [{**failing(), "after": []}]})
    desk.model.script("fine")

    async def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resuming, "note", dies)
        with pytest.raises(KeyboardInterrupt):
            await go_on(desk, catalogue, first.run)
    assert (await letters.get(first.run)).state is DeadLetterState.OPEN
    with pytest.raises(InvalidInput, match="went on already"):
        await go_on(desk, catalogue, first.run, correction=Correction({"times": 0}))
    letter = await letters.get(first.run)
    assert (letter.state, [deed.action for deed in letter.history]) == (DeadLetterState.RESUMED, ["resumed"])


async def test_an_effect_that_failed_for_sure_is_made_with_a_new_key(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue
) -> None:
    first = await desk.run(plan={"steps": [{"id": "b", "tool": "book", "args": {"what": "x", "fault": "business"}}]})
    outlook = await look_ahead(letters, await letters.get(first.run), namespace=desk.client.namespace)
    assert [call.call for call in outlook.failed] == ["b"]
    desk.model.script("booked")
    _, handle = await go_on(desk, catalogue, first.run, correction=Correction({"fault": ""}))
    assert (await result_of(handle)).outcome is Outcome.COMPLETED
    async with desk.store.reading() as connection:
        assert (await connection.execute(text("SELECT what FROM bookings"))).scalars().all() == ["x"]
        states = (await connection.execute(text("SELECT state FROM ledger ORDER BY intended_at"))).scalars().all()
    assert states == ["failed", "done"]


async def test_terminated_runs_get_a_letter_from_the_sweeper_once(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue
) -> None:
    ask = {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 80}, "after": ["a"]}
    handle = await desk.start(plan={"steps": [LOOK, ask]})
    await pending(handle)
    await handle.terminate(reason="by mistake")
    sweeper = Sweeper(desk.client, desk.store, only=frozenset({handle.id}))

    async def found() -> list[str]:
        return (await sweeper.sweep()).added

    assert await eventually(found) == [handle.id]
    assert (await sweeper.sweep()).added == []
    letter = await letters.get(handle.id)
    assert (letter.cause, letter.error.message) == (
        DeadLetterCause.TERMINATED,
        "the run was terminated: by mistake",
    )
    async with desk.store.reading() as connection:
        assert (await connection.execute(text("SELECT outcome FROM runs"))).scalar() == "failed"
        assert (await connection.execute(text("SELECT status FROM approvals"))).scalar() == "withdrawn"
    _, resumed = await go_on(desk, catalogue, handle.id)
    desk.model.script("paid")
    await approve(resumed)
    assert (await result_of(resumed)).outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="look")) == 1
    assert len(desk.effects(tool="pay")) == 1


async def test_a_run_that_is_terminated_right_after_its_good_end_was_written_is_one_thing_only(
    desk: Desk, letters: DeadLetters
) -> None:
    """What Temporal says of it holds, whoever writes last: the activity may do so after the run was terminated."""
    handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 80}}]})
    await pending(handle)
    sweeper = Sweeper(desk.client, desk.store, only=frozenset({handle.id}))
    good = RunResult(run=handle.id, agent="desk", outcome=Outcome.COMPLETED, ended_at=datetime.now(UTC))
    record = RecordingActivities(desk.store).record

    async def found() -> list[str]:
        return (await sweeper.sweep()).added

    for late in (False, True):
        await ActivityEnvironment().run(record, RecordTask(run=handle.id, result=good))
        if not late:
            await handle.terminate(reason="by mistake")
        assert await eventually(found) == [handle.id]
        assert (await letters.get(handle.id)).state is DeadLetterState.OPEN
        async with desk.store.reading() as connection:
            assert (await connection.execute(text("SELECT outcome FROM runs"))).scalar() == "failed"
    assert (await sweeper.sweep()).added == []


async def test_wrong_input_and_time_limits_get_a_letter_too(desk: Desk, letters: DeadLetters) -> None:
    wrong = await desk.client.start_workflow("AgentRun", {"agent": 5}, id="wrong-1", task_queue=desk.task_queue)
    late = await desk.client.start_workflow(
        "AgentRun",
        {"agent": "desk", "request": "x", "plan": {"steps": [{**PAY, "args": {"to": "a", "amount": 99}, "after": []}]}},
        id="late-1",
        task_queue=desk.task_queue,
        execution_timeout=timedelta(seconds=1),
    )
    for handle in (wrong, late):
        with pytest.raises(Exception, match=r".*"):
            await handle.result()
    sweeper = Sweeper(desk.client, desk.store, only=frozenset({"wrong-1", "late-1"}))

    async def both() -> bool:
        await sweeper.sweep()
        return len(await letters.listed()) == 2

    await eventually(both)
    assert (await letters.get("wrong-1")).error.type is ErrorType.INVALID_INPUT
    letter = await letters.get("late-1")
    assert (letter.cause, letter.request) == (DeadLetterCause.TIMED_OUT, "x")


async def approve(handle: WorkflowHandle[Any, RunResult]) -> None:
    (gate,) = await pending(handle)
    await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})


async def unsure(desk: Desk) -> tuple[str, str]:
    """A failed run with an effect whose outcome isn't known, and that effect's key."""
    plan = {"steps": [LOOK, {"id": "w", "tool": "waver", "args": {"what": "x"}, "after": ["a"]}]}
    handle = await desk.start(plan=plan)
    await approve(handle)
    result = await result_of(handle)
    assert result.error is not None
    assert (result.outcome, result.error.type) == (Outcome.FAILED, ErrorType.OUTCOME_UNKNOWN)
    async with desk.store.reading() as connection:
        rows = (await connection.execute(text("SELECT key, state FROM ledger WHERE run = :r"), {"r": result.run})).all()
    ((key, state),) = rows
    assert state == "unknown"
    return result.run, key


@pytest.mark.parametrize("listed", [False, True], ids=["one call", "a list"])
async def test_an_optional_effect_that_may_have_happened_is_not_left_out(
    desk: Desk, letters: DeadLetters, *, listed: bool
) -> None:
    step = {"id": "w", "tool": "waver", "args": {"what": "x"}, "optional": True}
    many = {"for_each": "input.items", "args": {"what": {"$ref": "item"}}}
    handle = await desk.start(plan={"steps": [{**step, **(many if listed else {})}]}, input={"items": ["x"]})
    await approve(handle)
    result = await result_of(handle)
    assert result.error is not None
    assert (result.outcome, result.error.type) == (Outcome.FAILED, ErrorType.OUTCOME_UNKNOWN)
    assert [letter.run for letter in await letters.listed()] == [result.run]


async def say(desk: Desk, catalogue: Catalogue, run: str, answer: Answer, result: Any = None) -> None:
    given = Resolution("w", answer, "kim", "asked the bank", result)
    await resolve(desk.store, catalogue, run, given, namespace=desk.client.namespace)


async def test_an_unknown_outcome_is_never_sent_again_unasked(desk: Desk, catalogue: Catalogue) -> None:
    run, _ = await unsure(desk)
    with pytest.raises(InvalidInput, match="before a person says") as refused:
        await go_on(desk, catalogue, run)
    assert refused.value.details == [
        f"plangate dead-letters resolve {run} --call w --done | --not-done | --redo",
    ]
    with pytest.raises(InvalidInput, match="before a person says"):
        await go_on(desk, catalogue, run, correction=Correction({"what": "y"}))
    assert len(desk.effects(tool="waver")) == 1


async def test_done_takes_the_persons_result_and_calls_nothing(
    desk: Desk, letters: DeadLetters, catalogue: Catalogue
) -> None:
    run, _ = await unsure(desk)
    with pytest.raises(InvalidInput, match="not what waver returns"):
        await say(desk, catalogue, run, Answer.DONE, {"wavered": 5})
    await say(desk, catalogue, run, Answer.DONE, {"wavered": "by hand"})
    with pytest.raises(InvalidInput, match=r"is known \(done\)"):
        await say(desk, catalogue, run, Answer.REDO)
    desk.model.script("fine")
    _, handle = await go_on(desk, catalogue, run)
    assert (await result_of(handle)).outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="waver")) == 1
    async with desk.store.reading() as connection:
        query = text("SELECT approval, action, \"by\", reason, status FROM decisions WHERE reason != ''")
        row = (await connection.execute(query)).one()
    assert tuple(row) == (f"{run}/w", "done", "kim", "asked the bank", "applied")
    assert [deed.action for deed in (await letters.get(run)).history] == ["resolved", "resumed"]


@pytest.mark.parametrize("answer", [Answer.NOT_DONE, Answer.REDO])
async def test_not_done_keeps_the_key_and_redo_raises_it(desk: Desk, catalogue: Catalogue, answer: Answer) -> None:
    run, key = await unsure(desk)
    await say(desk, catalogue, run, answer)
    desk.model.script("fine")
    _, handle = await go_on(desk, catalogue, run)
    if answer is Answer.REDO:  # a second effect wants a second approval
        await approve(handle)
    assert (await result_of(handle)).outcome is Outcome.COMPLETED
    first, second = desk.effects(tool="waver")
    assert first["key"] == key
    assert (second["key"] == key) is (answer is Answer.NOT_DONE)


async def test_an_approval_holds_where_the_call_failed_for_sure_and_nothing_changed(
    desk: Desk, catalogue: Catalogue
) -> None:
    handle = await desk.start(plan={"steps": [{"id": "w", "tool": "waver", "args": {"what": "no"}}]})
    await approve(handle)
    assert (await result_of(handle)).outcome is Outcome.FAILED
    desk.model.script("fine")
    _, resumed = await go_on(desk, catalogue, handle.id)
    assert (await result_of(resumed)).outcome is Outcome.COMPLETED
    first, second = desk.effects(tool="waver")
    assert first["key"] != second["key"]
    async with desk.store.reading() as connection:
        rows = (await connection.execute(text("SELECT key, state, approval_id FROM ledger"))).all()
    assert {tuple(row) for row in rows} == {
        (first["key"], "failed", None),
        (second["key"], "done", f"{handle.id}/w"),
    }


async def test_corrected_arguments_are_approved_anew(desk: Desk, catalogue: Catalogue) -> None:
    handle = await desk.start(plan={"steps": [{"id": "w", "tool": "waver", "args": {"what": "no"}}]})
    await approve(handle)
    await result_of(handle)
    desk.model.script("fine")
    _, resumed = await go_on(desk, catalogue, handle.id, correction=Correction({"what": "yes"}))
    (gate,) = await pending(resumed)
    assert gate.args == {"what": "yes"}
    await approve(resumed)
    assert (await result_of(resumed)).outcome is Outcome.COMPLETED


@pytest_asyncio.fixture(loop_scope="session")
async def other_desk(client: Client, tmp_path: Path, postgres: Any) -> AsyncIterator[Desk]:
    async with desks.desk(client, tmp_path, database_url=postgres.create("dead_letters")) as system:
        yield system


async def test_the_same_on_postgresql(other_desk: Desk, catalogue: Catalogue) -> None:
    run, _ = await unsure(other_desk)
    await say(other_desk, catalogue, run, Answer.NOT_DONE)
    other_desk.model.script("fine")
    _, handle = await go_on(other_desk, catalogue, run)
    assert (await result_of(handle)).outcome is Outcome.COMPLETED
    assert len(other_desk.effects(tool="waver")) == 2
    assert (await status_of(handle)).outcome is Outcome.COMPLETED
