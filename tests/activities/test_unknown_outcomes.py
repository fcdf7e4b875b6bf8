"""Effects that ended without an answer: what the ledger says of them, and what a dead letter makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities import ledger
from activities.ledger import LedgerState
from activities.storage.dead_letters import DeadLetters
from activities.storage.store import Store
from plangate.dead_letters import DeadLetterState, Deed, of_failure
from plangate.errors import ErrorPayload, ErrorType, InvalidInput, PlangateError
from plangate.run_status import RunResult
from plangate.runs import Outcome, RunRequest, RunState
from plangate.tasks import RecordTask
from plangate.tool_context import ToolError
from plangate.tool_policy import Idempotency
from tests.activities.tool_agent import Bench, bench_on

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    return await bench_on(store, tmp_path)


def behaving(bench: Bench, *errors: Exception) -> None:
    """Let one attempt after the other end so."""
    left = list(errors)

    async def behave(how: str) -> dict[str, str]:
        if left:
            raise left.pop(0)
        return {"ok": how}

    bench.far.behave = behave  # type: ignore[method-assign]


async def test_the_last_attempt_without_an_answer_leaves_it_unknown(bench: Bench) -> None:
    call = bench.call("pay", {"amount": 5, "how": "busy"})
    await bench.fails(call)
    assert await bench.ledger() == [("k", "intended")]
    await bench.fails(call, attempt=2)
    assert await bench.ledger() == [("k", "unknown")]
    _, payload = await bench.fails(call, attempt=3)
    assert payload.type is ErrorType.OUTCOME_UNKNOWN


async def test_an_attempt_that_sent_nothing_is_as_if_it_had_not_been(bench: Bench) -> None:
    behaving(bench, ConnectionRefusedError("away"))
    bench.far.read_back = ToolError("nobody may ask")
    call = bench.call("post")
    await bench.fails(call)
    assert await bench.ledger() == [("k", "resolved")]
    result = await bench.make(call, attempt=2)
    assert result.result is not None
    assert await bench.ledger() == [("k", "done")]


async def test_no_connection_at_last_says_nothing_of_the_attempt_before(bench: Bench) -> None:
    behaving(bench, TimeoutError("no answer"), ConnectionRefusedError("away"))
    call = bench.call("pay", {"amount": 5})
    await bench.fails(call)
    error, payload = await bench.fails(call, attempt=2)
    assert (payload.type, error.non_retryable) == (ErrorType.OUTCOME_UNKNOWN, True)
    assert "earlier attempt may have taken effect" in payload.message
    assert await bench.ledger() == [("k", "unknown")]


async def test_no_connection_at_last_after_a_look_is_no_effect(bench: Bench) -> None:
    last = bench.agent.tools["post"].policy().retries.max_attempts
    behaving(bench, TimeoutError("no answer"), ConnectionRefusedError("away"), ConnectionRefusedError("away"))
    call = bench.call("post")
    await bench.fails(call)
    await bench.fails(call, attempt=2)
    assert await bench.ledger() == [("k", "intended")]  # the next attempt looks again
    _, payload = await bench.fails(call, attempt=last)
    assert payload.type is ErrorType.NETWORK
    assert await bench.ledger() == [("k", "resolved")]


async def test_a_clear_no_failed_for_sure(bench: Bench) -> None:
    call = bench.call("pay", {"amount": 5, "how": "permanent"})
    await bench.fails(call)
    assert await bench.ledger() == [("k", "failed")]


async def test_an_attempt_that_another_one_overtook_takes_nothing_back(bench: Bench, store: Store) -> None:
    call = bench.call("pay", {"amount": 5})
    async with store.transaction() as connection:
        for attempt in ("one", "two"):
            await ledger.claim(connection, call, digest=call.digest, mode=Idempotency.KEY, token=attempt, seconds=1)
        assert not await ledger.not_sent(connection, "k", token="one")
    assert await bench.ledger() == [("k", "intended")]


async def test_a_dead_letter_doubts_what_its_run_intended_and_nothing_else(bench: Bench, store: Store) -> None:
    async with store.transaction() as connection:
        for key, run in (("k1", "r"), ("k2", "r"), ("k3", "other"), ("k4", "r0")):
            call = bench.call("pay", {"amount": 5}, key=key, run=run, call=key)
            await ledger.claim(connection, call, digest=call.digest, mode=Idempotency.KEY, token="one", seconds=1)
        await ledger.finish(connection, "k2", LedgerState.DONE, token="one")
    request = RunRequest(agent="shop", request="x", user="ann")
    state = RunState(request=request, started_at=NOW, resumed_from=["r0"], error=ErrorPayload(message="bad", step="s"))
    result = RunResult(run="r", agent="shop", outcome=Outcome.FAILED, ended_at=NOW)
    task = RecordTask(run="r", result=result, state=state)
    for _ in range(2):  # safe to repeat
        await store.record(task, letter=of_failure("r", state, at=NOW, trace_id="ab"))
    assert await bench.ledger() == [("k1", "unknown"), ("k2", "done"), ("k3", "intended"), ("k4", "unknown")]
    (letter,) = await DeadLetters(store).listed()
    assert (letter.run, letter.user, letter.trace_id, letter.error.step) == ("r", "ann", "ab", "s")


async def test_a_letter_that_somebody_dealt_with_stays_so(store: Store) -> None:
    state = RunState(request=RunRequest(agent="shop"), started_at=NOW)
    letters = DeadLetters(store)
    await letters.add(of_failure("r", state, at=NOW))
    await letters.settle("r", DeadLetterState.DISCARDED, Deed(at=NOW, action="discarded", by="kim", reason="done"))
    await letters.add(of_failure("r", state, at=NOW))
    assert await letters.listed(DeadLetterState.OPEN) == []
    with pytest.raises(InvalidInput, match="already discarded by kim"):
        await letters.settle("r", DeadLetterState.RESUMED, Deed(at=NOW, action="resumed"))
    with pytest.raises(PlangateError, match="no dead letter of 'nope'"):
        await letters.get("nope")
    assert await letters.recorded(["r", "nope"]) == {"r"}
