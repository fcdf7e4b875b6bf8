"""Pacing of two workers on one database: together they keep the limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from activities.pacing import Pacing, Taken
from activities.storage.lines import Lines
from activities.storage.store import Store
from plangate.paces import ModelPace
from plangate.pacing import Asking, Wait
from tests.workflows.desk import eventually

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Begun = list[tuple[float, str]]


class Clock:
    """A clock that a test sets; sleeping advances nothing but notes how long it would take."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    @property
    def seconds(self) -> float:
        return (self.now - NOW).total_seconds()


@pytest.fixture
async def other(store: Store, database_url: str) -> AsyncIterator[Store]:
    """The store of another worker."""
    async with await Store.open(database_url) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def workers(clock: Clock, pace: ModelPace, *stores: Store) -> list[Pacing]:
    return [Pacing(store, {"d": pace}, clock=clock, sleep=no_sleep) for store in stores]


async def test_two_workers_with_many_callers_keep_the_limit_in_fair_order(
    store: Store, other: Store, clock: Clock
) -> None:
    pacings = workers(clock, ModelPace(requests_per_minute=120), store, other)
    users = {f"a{n:02}": "ada" for n in range(24)} | {f"b{n}": "bo" for n in range(4)}
    due = dict.fromkeys(users, 0.0)
    begun: Begun = []

    async def come(number: int, key: str) -> None:
        began = clock.seconds
        found = await pacings[number % 2].turn("d", Asking(key, users[key]), patience=0)
        if isinstance(found, Wait):
            due[key] = began + found.seconds
        else:
            begun.append((began, key))
            del due[key]

    while due:
        clock.now = max(NOW + timedelta(seconds=min(due.values())), clock.now)
        await asyncio.gather(*(come(n, key) for n, key in enumerate(sorted(due)) if due[key] <= clock.seconds + 1e-5))
    order = [key for _, key in begun]
    assert len(begun) == len(users)
    last = max(at for at, _ in begun)
    assert last >= (len(users) - 1) * 0.5 - 1.5 - 0.001  # never faster than the limit, but for the turns given ahead
    assert last <= len(users) * 0.5 + 2
    first_half = Counter(users[key] for key in order[:12])
    assert first_half["bo"] == 4


async def test_turns_never_lie_closer_than_the_interval(store: Store, other: Store, clock: Clock) -> None:
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    pace = {"d": ModelPace(requests_per_minute=600)}
    pacings = [Pacing(each, pace, clock=clock, sleep=note) for each in (store, other)]
    found = await asyncio.gather(*(pacings[n % 2].turn("d", Asking(f"{n}", f"u{n}"), patience=0) for n in range(30)))
    taken = sum(isinstance(each, Taken) for each in found)
    assert taken == 15  # 0.0 to 1.5 s
    assert sorted(round(each, 6) for each in slept) == [round(0.101 * n, 6) for n in range(1, 15)]
    waits = sorted(each.ahead for each in found if isinstance(each, Wait))
    assert waits == list(range(15))


async def test_never_more_calls_at_once_than_the_limit(store: Store, other: Store) -> None:
    pacings = [Pacing(each, {"d": ModelPace(at_once=3)}) for each in (store, other)]
    running = most = done = 0

    async def call(number: int) -> None:
        nonlocal running, most, done
        pacing = pacings[number % 2]
        taken = await pacing.turn("d", Asking(f"{number}", "u"), typical_ms=50, patience=30)
        assert isinstance(taken, Taken)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        done += 1
        await pacing.leave(taken)

    await asyncio.gather(*(call(number) for number in range(16)))
    assert (most, done) == (3, 16)
    assert await Lines(store).listed(datetime.now(UTC)) == []


async def test_a_cancelled_call_gives_its_place_back(store: Store, clock: Clock) -> None:
    async def for_ever(_: float) -> None:
        await asyncio.Event().wait()

    pacing = Pacing(store, {"d": ModelPace(at_once=1)}, clock=clock, sleep=for_ever)
    taken = await pacing.turn("d", Asking("holds", "u"))
    assert isinstance(taken, Taken)
    waiting = asyncio.create_task(pacing.turn("d", Asking("waits", "u")))

    async def waits_only(*keys: str) -> bool:
        (standing,) = await pacing.lines.listed(clock.now)
        return tuple(place.key for place in standing.waiting) == keys

    await eventually(lambda: waits_only("waits"))
    waiting.cancel()
    await eventually(waits_only)
    again = asyncio.create_task(pacing.turn("d", Asking("next", "u")))
    await eventually(lambda: waits_only("next"))
    await pacing.leave(taken)
    assert isinstance(await asyncio.wait_for(again, 5), Taken)  # woken, although it would sleep for ever


async def test_without_limits_the_database_is_not_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "together", None)
    pacing = Pacing(store, {"other": ModelPace(at_once=1)})
    taken = await pacing.turn("d", Asking("a", "u"))
    assert taken == Taken("d")
    await pacing.leave(taken)


async def test_patience_holds_without_limits_too(store: Store, clock: Clock) -> None:
    pacing = Pacing(store, clock=clock, sleep=no_sleep)
    wait = await pacing.turn("d", Asking("a", "u"), not_before=NOW + timedelta(seconds=20))
    assert isinstance(wait, Wait)
    assert 20 <= wait.seconds <= 25
    assert isinstance(await pacing.turn("d", Asking("a", "u"), not_before=NOW + timedelta(hours=1)), Taken)


async def test_without_the_database_a_call_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise OSError("no database")

    monkeypatch.setattr(Lines, "change", broken)
    wait = await Pacing(store, {"d": ModelPace(at_once=1)}).turn("d", Asking("a", "u"))
    assert isinstance(wait, Wait)
    assert wait.why == "the database can't be asked"


async def test_a_run_that_ends_frees_its_places(store: Store, clock: Clock) -> None:
    (pacing,) = workers(clock, ModelPace(requests_per_minute=6), store)
    for key, run in (("first", "r1"), ("second", "r1"), ("third", "r2")):
        await pacing.turn("d", Asking(key, "u", run=run), patience=0)
    await pacing.lines.forget("r1")
    (standing,) = await pacing.lines.listed(clock.now)
    assert [place.key for place in standing.waiting] == ["third"]
    wait = await pacing.turn("d", Asking("third", "u", run="r2"), patience=0)
    assert isinstance(wait, Wait)
    assert (wait.ahead, wait.turn_seconds) == (0, 10.1)


async def test_limits_are_shown_before_the_first_call(store: Store) -> None:
    lines = Lines(store)
    await lines.announce({"d": ModelPace(requests_per_minute=60, at_once=4), "e": ModelPace(at_once=1)})
    await lines.announce({"d": ModelPace(requests_per_minute=30)})
    (standing,) = await lines.listed(NOW)
    assert (standing.dependency, standing.pace.in_words) == ("d", "30 requests a minute")


async def test_a_limit_that_is_raised_leaves_no_old_debt(store: Store, clock: Clock) -> None:
    """A large call under a small limit is paid for hours; who raises the limit doesn't wait for them."""
    low, high = (ModelPace(tokens_per_minute=limit, requests_per_minute=limit / 100) for limit in (100, 100_000))
    (before,) = workers(clock, low, store)
    await before.announce("x")
    assert isinstance(await before.turn("d", Asking("large", "u", tokens=60_000)), Taken)
    for limits in (low, ModelPace(tokens_per_minute=50, requests_per_minute=0.5)):
        (same,) = workers(clock, limits, store)
        await same.announce("x")
        wait = await same.turn("d", Asking("next", "u", tokens=1), patience=0)
        assert isinstance(wait, Wait)
        assert wait.turn_seconds > 30_000
    (after,) = workers(clock, high, store)
    await after.announce("x")
    assert isinstance(await after.turn("d", Asking("next", "u", tokens=1), patience=0), Taken)
