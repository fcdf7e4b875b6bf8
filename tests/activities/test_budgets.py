"""Accounts: never more than the limit, whoever asks at once; nothing reserved twice, nothing given back twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from activities.storage import budgets, tables
from activities.storage.budgets import Budgets, Line, Refused
from activities.storage.store import Store, UsageRow
from plangate.spending import MODELS, TOKENS, Beyond, Per, SpendingLimit, micros

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
async def other(store: Store, database_url: str) -> AsyncIterator[Store]:
    """The store of another worker."""
    async with await Store.open(database_url) as opened:
        yield opened


def budget(
    amount: float, per: Per = Per.DAY, *, of: str = "pay.amount", unit: str = "GBP", set_by: str = ""
) -> SpendingLimit:
    fields = {"of": of, "unit": unit, "then": Beyond.ASK, "agent": "shop", "set_by": set_by}
    return SpendingLimit.model_validate({**fields, "per": per, "micros": micros(amount)})


def line(limit: SpendingLimit, amount: float, *, run: str = "r", user: str = "u", agreed: bool = False) -> Line:
    account = limit.account(run=run, agent="shop", user=user, session=None, at=NOW)
    return Line(account, limit, micros(amount), "shop", run, user, None, agreed)


class _Rolled(Exception):
    pass


async def take(store: Store, key: str, *lines: Line) -> Refused | None:
    """Reserve in a transaction of its own, as a claim does."""
    refused: list[Refused] = []

    async def work(conn: budgets.AsyncConnection) -> None:
        found = await budgets.reserve(conn, key, lines, now=NOW)
        if found is not None:
            refused.append(found)
            raise _Rolled

    try:
        await store.together(work)
    except _Rolled:
        return refused[-1]
    return None


async def spent(store: Store) -> dict[str, float]:
    async with store.reading() as conn:
        rows = await conn.execute(text("SELECT account, micros FROM accounts"))
        return {row.account: row.micros / 1_000_000 for row in rows}


async def held(store: Store) -> int:
    async with store.reading() as conn:
        return int(await conn.scalar(text("SELECT count(*) FROM reservations")) or 0)


async def test_a_hundred_at_once_from_two_workers_never_exceed_the_budget(store: Store, other: Store) -> None:
    day, user = budget(10), budget(6, Per.USER_DAY)

    async def one(n: int) -> bool:
        where = store if n % 2 else other
        return await take(where, f"k{n}", line(day, 0.3), line(user, 0.3, user=f"u{n % 2}")) is None

    got = await asyncio.gather(*(one(n) for n in range(100)))
    assert sum(got) == 33
    found = await spent(store)
    assert found[line(day, 0).account] == pytest.approx(9.9)
    assert all(found[line(user, 0, user=name).account] <= 6 for name in ("u0", "u1"))
    assert await held(store) == 66  # two accounts a call; what was refused holds nothing in either


async def test_any_order_of_reserving_and_settling_adds_up(store: Store, other: Store) -> None:
    """A law: what an account has is what its calls hold or have spent, and never more than its limit."""
    rng = random.Random(7)
    limits = [budget(20), budget(12, Per.USER_DAY), budget(3, Per.RUN)]
    costs: dict[str, float] = {}

    async def one(n: int) -> None:
        where, key, amount = rng.choice([store, other]), f"k{n}", rng.randint(1, 200) / 100
        lines = [line(limit, amount, run=f"r{n % 9}", user=f"u{n % 3}") for limit in limits]
        if await take(where, key, *lines):
            return
        if n % 4 == 0:
            assert await take(where, key, *lines) is None  # a retry
        actual = amount * rng.choice([0, 0.5, 1])
        if n % 5:
            costs[key] = actual
            for again in (store, other):  # told twice, by two workers
                await again.together(lambda conn: budgets.settle(conn, key, {"GBP": micros(actual)}))
        else:
            costs[key] = amount

    await asyncio.gather(*(one(n) for n in range(60)))
    found = await spent(store)
    assert found[line(limits[0], 0).account] == pytest.approx(sum(costs.values()))
    users = [found.get(line(limits[1], 0, user=f"u{n}").account, 0) for n in range(3)]
    assert sum(users) == pytest.approx(sum(costs.values()))
    assert max(users) <= 12
    assert found[line(limits[0], 0).account] <= 20
    assert max(found.get(line(limits[2], 0, run=f"r{n}").account, 0) for n in range(9)) <= 3


async def test_many_small_amounts_hit_the_limit_of_the_day(store: Store) -> None:
    day = budget(1, Per.USER_DAY)
    refused = [await take(store, f"k{n}", line(day, 0.01, run=f"r{n}")) for n in range(101)]
    assert [n for n, each in enumerate(refused) if each] == [100]
    assert refused[100] == Refused(day, 0)


async def test_a_retry_reserves_nothing_twice_and_a_release_makes_room_again(store: Store) -> None:
    day = budget(10)
    for _ in range(3):
        assert await take(store, "k", line(day, 6)) is None
    assert await take(store, "other", line(day, 6)) == Refused(day, micros(4))
    for _ in range(2):
        await store.together(lambda conn: budgets.release(conn, "k"))
    assert await spent(store) == {line(day, 0).account: 0}
    assert await take(store, "other", line(day, 6)) is None


async def test_the_tighter_of_two_budgets_for_the_same_holds(store: Store) -> None:
    loose, tight = budget(10), budget(5, set_by="kim")
    assert line(loose, 0).account == line(tight, 0).account
    assert await take(store, "k", line(loose, 6), line(tight, 6)) == Refused(tight, micros(5))
    assert await take(store, "k", line(loose, 6), line(tight, 6, agreed=True)) is None
    assert await spent(store) == {line(loose, 0).account: 6}
    assert await held(store) == 1
    assert await take(store, "l", line(loose, 5, agreed=True)) is None  # beyond, since a person agreed
    assert await take(store, "m", line(loose, 0.01)) == Refused(loose, micros(-1))


async def test_what_is_refused_for_one_account_is_taken_from_none(store: Store) -> None:
    run, day = budget(100, Per.RUN), budget(1)
    assert await take(store, "k", line(run, 2), line(day, 2)) == Refused(day, micros(1))
    assert await spent(store) == {}


async def test_what_is_not_known_stays_spent_and_what_an_earlier_attempt_may_have_cost_too(store: Store) -> None:
    usd, tokens = budget(9, of=MODELS, unit="USD"), budget(900, of=MODELS, unit=TOKENS)
    await take(store, "k", line(usd, 3), line(tokens, 300))
    await store.together(lambda conn: budgets.settle(conn, "k", {"USD": None, TOKENS: micros(100)}))
    assert await spent(store) == {line(usd, 0).account: 3, line(tokens, 0).account: 100}
    await take(store, "l", line(usd, 3))
    await store.together(lambda conn: budgets.settle(conn, "l", {"USD": micros(1)}, kept=[line(usd, 3).account]))
    assert (await spent(store))[line(usd, 0).account] == 6


async def test_an_account_of_models_begins_with_what_they_cost_already(store: Store) -> None:
    def row(id: str, *, at: datetime, user: str = "u", cost: float | None = 2.0, run: str = "r") -> UsageRow:
        return UsageRow(
            id=id, run=run, agent="shop", model="m", task="plan", input_tokens=10, output_tokens=5, cost_usd=cost,
            user=user, at=at,
        )  # fmt: skip

    yesterday, last_month = NOW - timedelta(days=1), NOW - timedelta(days=31)
    for each in (
        row("a", at=NOW), row("b", at=NOW, cost=None), row("c", at=NOW, user="v"), row("d", at=yesterday),
        row("e", at=last_month), row("f", at=NOW, run="other"),
    ):  # fmt: skip
        await store.add_usage(each)
    wanted = {Per.DAY: 6, Per.MONTH: 8, Per.USER_DAY: 4, Per.USER_MONTH: 6, Per.RUN: 8, Per.SESSION: 8}
    for per, before in wanted.items():
        limit = budget(100, per, of=MODELS, unit="USD")
        assert await take(store, per.value, line(limit, 1)) is None
        assert (await spent(store))[line(limit, 0).account] == before + 1, per
    limit = budget(100, of=MODELS, unit=TOKENS)
    assert await take(store, "t", line(limit, 1)) is None
    assert (await spent(store))[line(limit, 0).account] == 61


async def test_budgets_that_were_set_are_replaced_listed_and_removed(store: Store) -> None:
    table = Budgets(store)
    first, second = budget(5, set_by="kim"), budget(7, set_by="lee")
    assert await table.put(first, at=NOW) is None
    assert await table.put(second, at=NOW) == first
    assert await table.listed() == [(second, NOW)]
    assert await table.remove(first)
    assert not await table.remove(first)
    assert await table.listed() == []


async def test_what_is_long_over_is_swept(store: Store) -> None:
    await take(store, "k", line(budget(5), 1))
    await Budgets(store).sweep(now=NOW + timedelta(days=39))
    assert (len(await spent(store)), await held(store)) == (1, 1)
    await Budgets(store).sweep(now=NOW + timedelta(days=41))
    assert (len(await spent(store)), await held(store)) == (0, 0)


async def test_a_run_and_a_conversation_that_wait_for_long_have_spent_what_they_have_spent(store: Store) -> None:
    limits = [budget(5, Per.RUN), budget(5, Per.SESSION), budget(5, Per.MONTH), budget(5, Per.USER_DAY)]
    await take(store, "k", *(line(limit, 4, user="a|run||b") for limit in limits))
    await Budgets(store).sweep(now=NOW + timedelta(days=100))
    assert set(await spent(store)) == {line(limit, 0).account for limit in limits[:2]}
    assert await take(store, "k2", line(limits[0], 4)) == Refused(limits[0], micros(1))
    await Budgets(store).sweep(now=NOW + timedelta(days=401))
    assert (len(await spent(store)), await held(store)) == (0, 0)


async def test_what_a_dead_run_holds_is_given_back_once_whoever_sweeps_and_settles_at_once(
    store: Store, other: Store
) -> None:
    day = budget(10)
    await take(store, "lives", line(day, 2, run="lives"))
    await take(store, "dead", line(day, 3, run="dead"))

    async def give_back(where: Store) -> None:
        await where.together(lambda conn: budgets.release(conn, "dead"))

    again = [work for where in (store, other) for work in (give_back(where), Budgets(where).sweep(now=NOW))]
    await asyncio.gather(*again)
    await give_back(other)
    assert list((await spent(store)).values()) == [2]
    assert await held(store) == 1


async def test_what_nobody_gave_back_stays_spent_when_it_is_swept_and_is_not_given_back_later(
    store: Store, other: Store
) -> None:
    """A model call whose worker and run died: it may have been billed."""
    session = budget(10, Per.SESSION, of=MODELS, unit="USD")
    await take(store, "model:r:plan:0:0", line(session, 3))
    late = NOW + timedelta(days=401)
    await store.together(lambda conn: _touch(conn, late))  # the conversation goes on
    await asyncio.gather(*(Budgets(where).sweep(now=late) for where in (store, other)))
    assert (list((await spent(store)).values()), await held(store)) == ([3], 0)
    for where in (store, other):
        await where.together(lambda conn: budgets.settle(conn, "model:r:plan:0:0", {"USD": 0}))
    assert list((await spent(store)).values()) == [3]


async def _touch(conn: budgets.AsyncConnection, at: datetime) -> None:
    await conn.execute(tables.accounts.update().values(updated_at=at))
