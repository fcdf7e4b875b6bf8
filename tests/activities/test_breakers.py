"""Breakers of two workers on one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from activities.breakers import Breakers, Permit, Refusal
from activities.storage.dependencies import Dependencies
from activities.storage.store import Store
from plangate.breakers import Breaker, BreakerRules, BreakerState
from plangate.errors import ErrorType, InvalidInput

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def other(store: Store, database_url: str) -> AsyncIterator[Store]:
    """The store of another worker."""
    async with await Store.open(database_url) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breakers(store: Store, clock: Clock, *, fresh: float = 0.0) -> Breakers:
    return Breakers(store, BreakerRules(), fresh_seconds=fresh, clock=clock)


async def call(worker: Breakers, error: ErrorType | None = None) -> bool:
    """Make a call if it may be made; whether it was made."""
    permit = await worker.ask("d", seconds=30)
    if isinstance(permit, Refusal):
        return False
    end(permit, error)
    await worker.settle(permit)
    return True


def end(permit: Permit, error: ErrorType | None = None) -> None:
    with suppress(ValueError), permit.watch(lambda _: error or ErrorType.BUG):
        if error is not None:
            raise ValueError


async def state(store: Store) -> Breaker:
    (breaker,) = await Dependencies(store).listed()
    return breaker


async def test_failures_of_one_worker_stop_the_calls_of_another(store: Store, other: Store, clock: Clock) -> None:
    one, two = breakers(store, clock), breakers(other, clock)
    assert await call(one, ErrorType.TIMEOUT)
    assert await call(two, ErrorType.NETWORK)
    assert await call(one, ErrorType.UNAVAILABLE)
    for worker in (one, two):
        refusal = await worker.ask("d", seconds=30)
        assert isinstance(refusal, Refusal)
        assert (refusal.until, refusal.why) == (NOW + timedelta(seconds=30), "dependency d is down (Unavailable)")
        assert isinstance(await worker.ask("another", seconds=30), Permit)
    assert (await state(store)).failed == 3


async def test_that_a_mailbox_answers_says_nothing_of_the_mail_server(store: Store, clock: Clock) -> None:
    worker = breakers(store, clock)
    for _ in range(3):
        permit = await worker.ask("d", seconds=30)
        assert isinstance(permit, Permit)
        with permit.watch(lambda _: ErrorType.BUG, answers=False):
            pass  # a read-back
        end(permit, ErrorType.NETWORK)
        await worker.settle(permit)
    assert isinstance(await worker.ask("d", seconds=30), Refusal)


async def test_one_probe_among_all(store: Store, other: Store, clock: Clock) -> None:
    workers = [breakers(store, clock), breakers(other, clock)]
    for _ in range(3):
        await call(workers[0], ErrorType.UNAVAILABLE)
    clock.forward(30)
    answers = await asyncio.gather(*(workers[n % 2].ask("d", seconds=30) for n in range(10)))
    (probe,) = [answer for answer in answers if isinstance(answer, Permit)]
    assert probe.probe
    for answer in answers:
        if isinstance(answer, Refusal):
            assert answer.until > clock.now
    end(probe)
    await workers[0].settle(probe)
    assert (await state(store)).state is BreakerState.CLOSED
    assert await call(workers[1])


async def test_a_probe_that_fails_opens_it_for_longer(store: Store, clock: Clock) -> None:
    worker = breakers(store, clock)
    for _ in range(3):
        await call(worker, ErrorType.UNAVAILABLE)
    clock.forward(30)
    assert await call(worker, ErrorType.TIMEOUT)
    assert not await call(worker)
    clock.forward(59)
    assert not await call(worker)
    clock.forward(1)
    assert await call(worker)
    assert (await state(store)).state is BreakerState.CLOSED


async def test_a_probe_that_died_or_made_no_call_is_replaced(store: Store, other: Store, clock: Clock) -> None:
    one, two = breakers(store, clock), breakers(other, clock)
    for _ in range(3):
        await call(one, ErrorType.UNAVAILABLE)
    clock.forward(30)
    dead = await one.ask("d", seconds=30)
    assert isinstance(dead, Permit)
    assert not await call(two)
    clock.forward(41)
    second = await two.ask("d", seconds=30)
    assert isinstance(second, Permit)
    end(dead, ErrorType.UNAVAILABLE)
    await one.settle(dead)  # too late: it is not the probe any more
    assert (await state(store)).state is BreakerState.HALF_OPEN
    await two.settle(second)  # made no call
    assert (await state(store)).state is BreakerState.OPEN
    assert await call(one)
    assert (await state(store)).state is BreakerState.CLOSED


async def test_answers_cost_no_write_each_and_none_is_lost(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = breakers(store, clock, fresh=3600)
    reads, writes = 0, 0
    listed, change = Dependencies.listed, Dependencies.change

    async def counted_read(self: Dependencies) -> list[Breaker]:
        nonlocal reads
        reads += 1
        return await listed(self)

    async def counted_write(self: Dependencies, name: str, how: object) -> Breaker:
        nonlocal writes
        writes += 1
        return await change(self, name, how)  # type: ignore[arg-type]

    monkeypatch.setattr(Dependencies, "listed", counted_read)
    monkeypatch.setattr(Dependencies, "change", counted_write)
    assert all(await asyncio.gather(*(call(worker) for _ in range(100))))
    assert (reads, writes) == (1, 0)
    await worker.close()
    assert (reads, writes) == (1, 1)
    breaker = await state(store)
    assert (breaker.calls, breaker.failures) == (100, 0)
    assert breaker.latency_ms is not None


async def test_answers_before_a_failure_count_before_it(store: Store, clock: Clock) -> None:
    worker = breakers(store, clock, fresh=3600)
    for error in (None, None, ErrorType.TIMEOUT, ErrorType.BUSINESS, ErrorType.TIMEOUT):
        await call(worker, error)
    breaker = await state(store)
    assert (breaker.window, breaker.failures, breaker.calls) == ("..x.x", 1, 5)


async def test_what_the_store_keeps_back_is_written_when_it_closes(database_url: str, store: Store) -> None:
    async with await Store.open(database_url) as closing:
        await call(Breakers(closing, fresh_seconds=3600))
    assert (await state(store)).calls == 1


async def test_a_reset_closes_it_for_all(store: Store, other: Store, clock: Clock) -> None:
    one, two = breakers(store, clock), breakers(other, clock)
    for _ in range(3):
        await call(one, ErrorType.UNAVAILABLE)
    done = await Dependencies(other).reset("d", by="ada", at=NOW)
    assert (done.state, done.failures, done.reset_by, done.reset_at) == (BreakerState.CLOSED, 0, "ada", NOW)
    assert await call(two)
    assert await call(one, ErrorType.UNAVAILABLE)
    assert (await state(store)).state is BreakerState.CLOSED
    with pytest.raises(InvalidInput, match="there is no dependency 'x'"):
        await Dependencies(store).reset("x", by="ada", at=NOW)


async def test_without_the_database_calls_are_made(clock: Clock, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise OSError("no database")

    monkeypatch.setattr(Dependencies, "listed", broken)
    monkeypatch.setattr(Dependencies, "change", broken)
    assert await call(breakers(store, clock), ErrorType.UNAVAILABLE)


@pytest.mark.parametrize("hours", [1, -1], ids=["fast", "slow"])
async def test_a_worker_whose_clock_is_wrong_opens_it_for_as_long_as_any_other(
    store: Store, other: Store, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL the database's clock is everybody's; workers on one file are on one machine."""
    right, wrong = Breakers(store, fresh_seconds=0), Breakers(other, fresh_seconds=0)
    if store.dialect == "postgresql":
        monkeypatch.setattr(wrong, "_clock", lambda: datetime.now(UTC) + timedelta(hours=hours))
    for _ in range(3):
        await call(wrong, ErrorType.UNAVAILABLE)
    for worker in (right, wrong):
        refusal = await worker.ask("d", seconds=30)
        assert isinstance(refusal, Refusal)
        assert timedelta(0) < refusal.until - datetime.now(UTC) <= timedelta(seconds=30)


@pytest.mark.parametrize("state_before", [BreakerState.OPEN, BreakerState.HALF_OPEN])
async def test_when_the_clock_is_set_back_a_probe_is_made_at_once(
    store: Store, clock: Clock, state_before: BreakerState
) -> None:
    worker = breakers(store, clock)
    for _ in range(3):
        await call(worker, ErrorType.UNAVAILABLE)
    if state_before is BreakerState.HALF_OPEN:
        clock.forward(30)
        assert isinstance(await worker.ask("d", seconds=30), Permit)  # and its worker dies
    clock.forward(-3600)
    probe = await worker.ask("d", seconds=30)
    assert isinstance(probe, Permit)
    assert isinstance(await worker.ask("d", seconds=30), Refusal)
    end(probe)
    await worker.settle(probe)
    assert (await state(store)).state is BreakerState.CLOSED


async def test_a_probe_whose_lease_is_taken_is_made_though_the_database_is_away_then(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = breakers(store, clock, fresh=3600)
    for _ in range(3):
        await call(worker, ErrorType.UNAVAILABLE)
    clock.forward(30)

    async def broken(*_: object) -> None:
        raise OSError("no database")

    with monkeypatch.context() as patch:
        patch.setattr(Dependencies, "listed", broken)
        probe = await worker.ask("d", seconds=30)
    assert isinstance(probe, Permit)
    end(probe)
    await worker.settle(probe)
    assert (await state(store)).state is BreakerState.CLOSED
