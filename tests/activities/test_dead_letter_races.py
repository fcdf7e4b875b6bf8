"""Who writes a dead letter late: what a person said of it, and what the run itself said, stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from activities.storage import tables
from activities.storage.dead_letters import DeadLetters, locked, note
from activities.storage.store import Store
from plangate.dead_letters import DeadLetter, DeadLetterCause, DeadLetterState, Deed, of_failure
from plangate.errors import ErrorPayload
from plangate.run_status import RunResult
from plangate.runs import Outcome, RunRequest, RunState
from plangate.tasks import RecordTask

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
TERMINATED, STUCK = DeadLetterCause.TERMINATED, DeadLetterCause.STUCK


@pytest.fixture
def letters(store: Store) -> DeadLetters:
    return DeadLetters(store)


def a_letter(cause: DeadLetterCause = TERMINATED, *, at: datetime = NOW, message: str = "bad") -> DeadLetter:
    state = RunState(request=RunRequest(agent="shop", request="x"), started_at=NOW, error=ErrorPayload(message=message))
    return of_failure("r", state, at=at).model_copy(update={"cause": cause})


async def redo(store: Store) -> None:
    """What `dead-letters resolve --redo` writes into the letter."""
    async with store.transaction() as connection:
        letter = await locked(connection, "r")
        assert letter.run_state is not None
        letter.run_state.generations["p"] = 1
        deed = Deed(at=NOW, action="resolved", by="kim", detail="p: redo")
        await note(connection, letter, deed, run_state=letter.run_state)


async def generations(letters: DeadLetters) -> dict[str, int]:
    state = (await letters.get("r")).run_state
    assert state is not None
    return state.generations


async def test_a_sweeper_that_comes_late_takes_no_answer_back(store: Store, letters: DeadLetters) -> None:
    assert await letters.add(a_letter())
    await redo(store)
    assert not await letters.add(a_letter(at=LATER))
    assert await generations(letters) == {"p": 1}


async def test_an_end_that_is_written_twice_takes_no_answer_back(store: Store, letters: DeadLetters) -> None:
    """The worker died after it had written, and the next one writes the same end."""
    own = a_letter(DeadLetterCause.FAILED)
    assert own.run_state is not None
    result = RunResult(run="r", agent="shop", outcome=Outcome.FAILED, ended_at=NOW)
    task = RecordTask(run="r", result=result, state=own.run_state)
    await store.record(task, letter=own)
    await redo(store)
    await store.record(task, letter=a_letter(DeadLetterCause.FAILED))
    assert await generations(letters) == {"p": 1}
    await store.record(task, letter=a_letter(DeadLetterCause.FAILED, at=LATER, message="another end"))  # after a reset
    assert (await letters.get("r")).error.message == "another end"


async def test_hearsay_gives_way_to_the_runs_own_word(store: Store, letters: DeadLetters) -> None:
    own = a_letter(DeadLetterCause.FAILED, message="no such order")
    result = RunResult(run="r", agent="shop", outcome=Outcome.FAILED, ended_at=NOW)
    await store.record(RecordTask(run="r", result=result, state=own.run_state), letter=own)
    for cause in (STUCK, DeadLetterCause.UNRECORDED):
        assert not await letters.add(a_letter(cause, at=LATER))
    assert not await letters.close_recovered("r", at=LATER, detail="it goes on", cause=STUCK)
    letter = await letters.get("r")
    assert (letter.state, letter.error.message) == (DeadLetterState.OPEN, "no such order")


@pytest.mark.parametrize("before", [[], ["recovered", "opened again"]], ids=["stuck once", "stuck again"])
@pytest.mark.parametrize("what", [DeadLetterState.RESUMED, DeadLetterState.DISCARDED])
async def test_a_stuck_run_that_somebody_dealt_with_is_no_news(
    letters: DeadLetters, what: DeadLetterState, before: list[str]
) -> None:
    """Who resumes one terminates it: it is listed among those that ended badly while its letter is still open."""
    await letters.add(a_letter(STUCK))
    if before:
        assert await letters.close_recovered("r", at=NOW, detail="", cause=STUCK)
        assert await letters.reopen(a_letter(STUCK))
    await letters.settle("r", what, Deed(at=NOW, action=what.value, by="kim", reason="enough"))
    assert not await letters.add(a_letter(at=LATER))
    assert not await letters.add(a_letter(STUCK, at=LATER))
    assert not await letters.reopen(a_letter(STUCK, at=LATER))
    letter = await letters.get("r")
    assert (letter.state, letter.cause) == (what, STUCK)
    assert [deed.action for deed in letter.history] == [*before, what.value]


async def test_a_stuck_run_that_is_terminated_is_a_dead_letter_of_that_kind(letters: DeadLetters) -> None:
    await letters.add(a_letter(STUCK))
    assert await letters.add(a_letter(at=LATER))
    assert not await letters.add(a_letter(at=LATER))  # another sweeper
    letter = await letters.get("r")
    assert (letter.state, letter.cause) == (DeadLetterState.OPEN, TERMINATED)


async def test_a_good_end_and_a_letter_never_stand_together(store: Store, letters: DeadLetters) -> None:
    async def outcome() -> str:
        async with store.reading() as connection:
            row = (await connection.execute(select(tables.runs))).one()
        said: str = row.outcome
        return said

    good = RunResult(run="r", agent="shop", outcome=Outcome.COMPLETED, summary="sent", ended_at=NOW)
    await store.record(RecordTask(run="r", result=good))
    assert not await letters.add(a_letter(at=NOW - timedelta(minutes=1)))  # of an execution before a reset
    assert (await outcome(), await letters.listed()) == ("completed", [])
    assert await letters.add(a_letter(at=LATER))  # terminated in the moment after it had written its end
    assert await outcome() == "failed"
    assert [letter.state for letter in await letters.listed()] == [DeadLetterState.OPEN]
