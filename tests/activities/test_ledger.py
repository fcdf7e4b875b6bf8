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
from plangate.toolkit import Idempotency
from tests.activities.tool_agent import Bench, bench_on

CALL = ToolCall(run="r", agent="a", step="s", call="s", tool="t", key="k")


async def claim(store: Store, call: ToolCall = CALL, *, digest: str = "d", attempt: int = 1) -> Entry:
    async with store.transaction() as conn:
        return await ledger.claim(conn, call, digest=digest, mode=Idempotency.KEY, attempt=attempt)


async def finish(store: Store, state: LedgerState, error: ErrorPayload | None = None) -> None:
    async with store.transaction() as conn:
        await ledger.finish(conn, "k", state, error=error)


async def test_the_first_claim_is_new_and_later_ones_see_what_became_of_it(store: Store) -> None:
    assert await claim(store) == Entry(LedgerState.INTENDED, new=True)
    assert await claim(store, attempt=2) == Entry(LedgerState.INTENDED, new=False, orphan=True)
    assert await claim(store, attempt=2) == Entry(LedgerState.INTENDED, new=False)
    error = ErrorPayload(type=ErrorType.BUSINESS, message="no")
    await finish(store, LedgerState.FAILED, error)
    assert await claim(store) == Entry(LedgerState.FAILED, new=False, error=error)


async def test_only_the_newest_attempt_is_current_and_only_it_can_end(store: Store) -> None:
    async def current(attempt: int) -> bool:
        async with store.reading() as conn:
            return await ledger.is_current(conn, "k", attempt=attempt)

    async def broke_off(attempt: int) -> None:
        async with store.transaction() as conn:
            await ledger.broke_off(conn, "k", attempt=attempt)

    await claim(store)
    assert await current(1)
    await claim(store, attempt=2)
    assert (await current(1), await current(2)) == (False, True)
    await broke_off(1)
    assert await current(2)
    await broke_off(2)
    assert not await current(2)
    assert await claim(store, attempt=3) == Entry(LedgerState.INTENDED, new=False)
    await finish(store, LedgerState.DONE)
    assert not await current(3)


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
            await ledger.claim(conn, CALL, digest="d", mode=Idempotency.LEDGER, attempt=1)
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
