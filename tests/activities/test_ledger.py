"""The ledger's rows: states, alarms, one use of an approval; and two workers on one key."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from activities import ledger
from activities.catalogue import Catalogue
from activities.ledger import Entry, LedgerState
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.tasks import ToolCall
from plangate.tool_policy import Idempotency
from tests.activities.tool_agent import Bench, bench_on

CALL = ToolCall(run="r", agent="a", step="s", call="s", tool="t", key="k")


async def claim(
    store: Store,
    call: ToolCall = CALL,
    *,
    digest: str = "d",
    token: str = "one",
    mode: Idempotency = Idempotency.KEY,
    seconds: float = 0.0,
) -> Entry:
    async with store.transaction() as conn:
        return await ledger.claim(conn, call, digest=digest, mode=mode, token=token, seconds=seconds)


async def finish(store: Store, state: LedgerState, error: ErrorPayload | None = None, *, token: str = "one") -> bool:
    async with store.transaction() as conn:
        return await ledger.finish(conn, "k", state, token=token, error=error)


async def test_the_first_claim_is_new_and_later_ones_see_what_became_of_it(store: Store) -> None:
    assert await claim(store) == Entry(LedgerState.INTENDED, new=True, mine=True)
    assert await claim(store, token="two") == Entry(LedgerState.INTENDED, new=False, mine=True)
    error = ErrorPayload(type=ErrorType.BUSINESS, message="no")
    assert not await finish(store, LedgerState.DONE)  # the first one's word doesn't count any more
    assert await finish(store, LedgerState.FAILED, error, token="two")
    assert await claim(store) == Entry(LedgerState.FAILED, new=False, error=error)


async def test_a_check_tools_row_is_not_taken_while_an_attempt_may_still_send(store: Store) -> None:
    check = Idempotency.CHECK
    await claim(store, mode=check, seconds=60)
    held = await claim(store, mode=check, token="two")
    assert (held.mine, held.state) == (False, LedgerState.INTENDED)
    assert 50 < held.busy <= 60
    async with store.transaction() as conn:
        assert not await ledger.release(conn, "k", token="two")
        assert await ledger.renew(conn, "k", token="one", seconds=600)
        assert 500 < await ledger.busy(conn, "k") <= 600
        assert await ledger.release(conn, "k", token="one")
    assert await claim(store, mode=check, token="two") == Entry(LedgerState.INTENDED, new=False, mine=True)
    async with store.transaction() as conn:
        assert not await ledger.renew(conn, "k", token="one", seconds=60)
        assert not await ledger.holds(conn, "k", token="one")
        assert await ledger.holds(conn, "k", token="two")


async def test_other_modes_take_over_at_once_and_know_that_they_overlap(store: Store) -> None:
    await claim(store, seconds=60)
    entry = await claim(store, token="two")
    assert entry.mine
    assert 50 < entry.busy <= 60


async def test_only_an_attempt_that_was_not_replaced_tells_the_end_of_what_is_in_doubt(store: Store) -> None:
    await claim(store)
    async with store.transaction() as conn:
        await ledger.doubt(conn, "k", error=ErrorPayload())
    assert not await finish(store, LedgerState.DONE, token="two")
    assert await finish(store, LedgerState.DONE)  # nobody else has begun: better known late than unknown


async def test_a_new_approval_of_the_same_effect_is_used_up_too(store: Store, tmp_path: Path) -> None:
    bench = await bench_on(store, tmp_path)
    call = bench.granted(bench.call("erase"))
    await claim(store, call)
    asked_again = bench.granted(call, approval="r-resume-1/s")
    await claim(store, asked_again, token="two")
    with pytest.raises(PlangateError, match="used by another call"):
        await claim(store, asked_again.model_copy(update={"key": "other"}))


async def test_what_is_done_stays_done(store: Store) -> None:
    await claim(store)
    await finish(store, LedgerState.DONE)
    for state in (LedgerState.FAILED, LedgerState.UNKNOWN):
        await finish(store, state, ErrorPayload())
    assert await claim(store) == Entry(LedgerState.DONE, new=False)


@pytest.mark.parametrize("state", [LedgerState.INTENDED, LedgerState.DONE, LedgerState.FAILED, LedgerState.UNKNOWN])
async def test_another_digest_for_a_key_is_an_alarm_in_every_state(store: Store, state: LedgerState) -> None:
    await claim(store)
    await finish(store, state)
    with pytest.raises(PlangateError) as caught:
        await claim(store, digest="other")
    assert caught.value.type is ErrorType.IDEMPOTENCY_CONFLICT


async def test_a_claim_that_is_rolled_back_never_was(store: Store) -> None:
    async def effect_that_fails() -> None:
        async with store.transaction() as conn:
            await ledger.claim(conn, CALL, digest="d", mode=Idempotency.LEDGER, token="one", seconds=1)
            raise KeyError

    with pytest.raises(KeyError):
        await effect_that_fails()
    assert (await claim(store)).new


async def test_two_workers_on_one_ledger_key_have_one_effect(store: Store, tmp_path: Path) -> None:
    bench: Bench = await bench_on(store, tmp_path)
    elsewhere = ToolActivities(Catalogue(agents={"shop": bench.agent}), store, environ={})
    other = Bench(bench.agent, store, bench.far, elsewhere)
    call = bench.call("book", {"how": "wait"})
    first = asyncio.ensure_future(bench.make(call))
    await asyncio.wait_for(bench.far.entered.wait(), 10)
    second = asyncio.ensure_future(other.make(call, attempt=2))
    bench.far.go_on.set()
    one, two = await asyncio.wait_for(asyncio.gather(first, second), 15)
    assert one == two
    assert await bench.bookings() == 1
