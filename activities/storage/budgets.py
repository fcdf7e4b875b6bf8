"""Budgets and the accounts behind them: reserved before, settled after, never more than the limit whoever asks at once.

An account is one row, changed by one statement that says how much it may hold at most. What a call holds is bound to
its key, so that the same call reserves once, however often it is tried and by whichever worker. Rows of several
accounts are always changed in the order of their names, so that two calls can't wait for each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.statements import insert_into
from activities.storage.store import Store
from plangate.spending import MODELS, TOKENS, Beyond, Per, SpendingLimit, micros

_TRIES = 10
_KEPT = timedelta(days=40)
"""Accounts and reservations that nothing touched for so long are of days and months that are over."""
_KEPT_LASTING = timedelta(days=400)
"""The same of runs and conversations, which end on no date: what one that waits has spent stays spent."""


@dataclass(frozen=True)
class Line:
    """One account that a call wants a part of."""

    account: str
    limit: SpendingLimit
    micros: int
    agent: str
    run: str
    user: str | None = None
    session: str | None = None
    agreed: bool = False
    """A person agreed to exceed this limit."""


@dataclass(frozen=True)
class Refused:
    """A budget that has no room for a call; nothing was reserved."""

    limit: SpendingLimit
    left: int
    """Millionths; below zero when a person agreed to exceed it before."""


async def reserve(conn: AsyncConnection, key: str, lines: Sequence[Line], *, now: datetime) -> Refused | None:
    """Take a part of each account, or of none: the caller rolls back when it is refused.

    Args:
        conn: A write transaction.
        key: The call; what it holds already it isn't asked for again.
        lines: What it wants.
        now: The time.
    """
    held = set(await conn.scalars(select(tables.reservations.c.account).where(tables.reservations.c.key == key)))
    wanted = sorted((line for line in lines if line.account not in held), key=lambda line: line.account)
    taken: set[str] = set()
    for account in dict.fromkeys(line.account for line in wanted):
        same = [line for line in wanted if line.account == account]
        bounds = [line for line in same if not line.agreed]
        tightest = min(bounds, key=lambda line: line.limit.micros, default=None)
        left = await _take(conn, same[0], tightest.limit.micros if tightest else None, now=now)
        if tightest is not None and left is not None:
            return Refused(tightest.limit, left)
        if account not in taken:
            taken.add(account)
            row = {"key": key, "account": account, "run": same[0].run, "micros": same[0].micros, "at": now}
            await conn.execute(tables.reservations.insert().values(row))
    return None


async def _take(conn: AsyncConnection, line: Line, most: int | None, *, now: datetime) -> int | None:
    """None when it was taken, else what is left."""
    table = tables.accounts
    change = update(table).where(table.c.account == line.account)
    if most is not None:
        change = change.where(table.c.micros + line.micros <= most)
    change = change.values(micros=table.c.micros + line.micros, updated_at=now)
    found: int | None = None
    for _ in range(_TRIES):
        if (await conn.execute(change)).rowcount == 1:
            return None
        found = await conn.scalar(select(table.c.micros).where(table.c.account == line.account))
        if found is None:
            opened = {"account": line.account, "of": line.limit.of, "unit": line.limit.unit, "updated_at": now}
            begin = await spent_before(conn, line, now=now)
            row = insert_into(conn.dialect.name, table).values({**opened, "micros": begin})
            await conn.execute(row.on_conflict_do_nothing(index_elements=["account"]))
        elif most is not None and found + line.micros > most:
            break
        # Opened, or given back to, between the two statements: there may be room after all.
    return (most or 0) - (found or 0)


async def spent_before(conn: AsyncConnection, line: Line, *, now: datetime) -> int:
    """What models cost before anybody set a budget: an account begins with it. Money moved isn't known so."""
    limit, used = line.limit, tables.usage.c
    if limit.of != MODELS:
        return 0
    amount = func.sum(used.input_tokens + used.output_tokens) if limit.unit == TOKENS else func.sum(used.cost_usd)
    query = select(amount)
    if limit.agent:
        query = query.where(used.agent == line.agent)
    if limit.per is Per.RUN:
        query = query.where(used.run == line.run)
    elif limit.per is Per.SESSION:
        query = query.where(used.session == line.session if line.session else used.run == line.run)
    else:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        query = query.where(used.at >= (day if limit.per in (Per.DAY, Per.USER_DAY) else day.replace(day=1)))
        if limit.per in (Per.USER_DAY, Per.USER_MONTH):
            query = query.where(used.user == line.user if line.user else used.user.is_(None))
    return micros(await conn.scalar(query) or 0)


async def release(conn: AsyncConnection, key: str, *, kept: Collection[str] = ()) -> None:
    """Give back what a call holds: it surely spent nothing. Once more changes nothing.

    Args:
        conn: A write transaction.
        key: The call.
        kept: Accounts in which it goes on holding it: an earlier attempt of the call may have spent as much.
    """
    for row in await _held(conn, key):
        if row.account not in kept:
            await _give_back(conn, key, row, 0)


async def settle(
    conn: AsyncConnection,
    key: str,
    spent: dict[str, int | None],
    *,
    kept: Collection[str] = (),
    now: Collection[str] | None = None,
) -> None:
    """Give back what a call holds, apart from what it spent.

    Args:
        conn: A write transaction.
        key: The call.
        spent: Millionths by unit: a unit that is missing had nothing spent, with None nobody knows how much.
        kept: Accounts that get nothing back: an earlier attempt of the call may have spent as much.
        now: The accounts of the time when it was spent; None for all. Others are of a day or month that was over: they
            keep what the earlier attempt reserved there.
    """
    for row in await _held(conn, key):
        cost = spent.get(row.unit, 0)
        if cost is None or (now is not None and row.account not in now):
            cost = row.micros
        await _give_back(conn, key, row, max(cost, row.micros) if row.account in kept else cost)


async def _held(conn: AsyncConnection, key: str) -> Sequence[Row[Any, Any, Any]]:
    table, accounts = tables.reservations, tables.accounts
    query = (
        select(table.c.account, table.c.micros, accounts.c.unit)
        .join(accounts, accounts.c.account == table.c.account)
        .where(table.c.key == key)
        .order_by(table.c.account)
    )
    return (await conn.execute(query)).all()


async def _give_back(conn: AsyncConnection, key: str, row: Row[Any, Any, Any], cost: int) -> None:
    """A reservation becomes what it cost."""
    table, accounts = tables.reservations, tables.accounts
    # Deleting it first: of two that settle at once only one finds it.
    mine = delete(table).where(table.c.key == key, table.c.account == row.account)
    if (await conn.execute(mine)).rowcount == 1:
        change = update(accounts).where(accounts.c.account == row.account)
        await conn.execute(change.values(micros=accounts.c.micros + cost - row.micros))


async def holds(conn: AsyncConnection, key: str) -> dict[str, int]:
    """What a call holds: millionths by account."""
    table = tables.reservations
    rows = await conn.execute(select(table.c.account, table.c.micros).where(table.c.key == key))
    return {row.account: row.micros for row in rows}


async def used(conn: AsyncConnection, accounts: Sequence[str]) -> dict[str, int]:
    """Millionths spent and reserved, by account; one that nothing was spent of is missing."""
    table = tables.accounts
    rows = await conn.execute(select(table.c.account, table.c.micros).where(table.c.account.in_(set(accounts))))
    return {row.account: row.micros for row in rows}


class Budgets:
    """The budgets that somebody set.

    Args:
        store: The project's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def listed(self) -> list[tuple[SpendingLimit, datetime]]:
        """All of them, and since when each holds."""
        table = tables.budgets
        async with self._store.reading() as conn:
            rows = await conn.execute(select(table).order_by(table.c.agent, table.c.of, table.c.per, table.c.user))
            return [(_limit(row), row.set_at) for row in rows]

    async def put(self, limit: SpendingLimit, *, at: datetime) -> SpendingLimit | None:
        """Set a budget in place of the one about the same; returns that one."""
        table, id_ = tables.budgets, _id(limit)
        values = {**limit.model_dump(exclude={"who", "line"}), "per": limit.per.value, "then": limit.then.value}
        async with self._store.transaction() as conn:
            before = (await conn.execute(select(table).where(table.c.id == id_))).one_or_none()
            await conn.execute(delete(table).where(table.c.id == id_))
            await conn.execute(table.insert().values({**values, "id": id_, "set_at": at}))
        return None if before is None else _limit(before)

    async def remove(self, limit: SpendingLimit) -> bool:
        """Take a budget back; whether there was one."""
        async with self._store.transaction() as conn:
            done = await conn.execute(delete(tables.budgets).where(tables.budgets.c.id == _id(limit)))
        return done.rowcount == 1

    async def used(self, accounts: Sequence[str]) -> dict[str, int]:
        """Millionths spent and reserved, by account."""
        async with self._store.reading() as conn:
            return await used(conn, accounts)

    async def sweep(self, *, now: datetime | None = None) -> None:
        """Delete what is long over. Nothing is given back: nobody knows what a call that held it so long has cost."""
        at = now or datetime.now(UTC)
        reservations, accounts = tables.reservations.c, tables.accounts.c
        async with self._store.transaction() as conn:
            await conn.execute(delete(tables.reservations).where(_over(reservations.account, reservations.at, at)))
            await conn.execute(delete(tables.accounts).where(_over(accounts.account, accounts.updated_at, at)))


def _over(account: ColumnElement[str], touched: ColumnElement[datetime], now: datetime) -> ColumnElement[bool]:
    """Whether an account's time is over, by its name (`SpendingLimit.account`) and when it was last touched."""
    lasting = or_(*(account.like(f"%|{per.value}||%") for per in (Per.RUN, Per.SESSION)))
    return and_(touched < now - _KEPT, or_(not_(lasting), touched < now - _KEPT_LASTING))


def _id(limit: SpendingLimit) -> str:
    """The same for budgets of which only one can hold."""
    parts = (limit.agent, limit.user, limit.session, limit.of, limit.per.value, limit.unit)
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _limit(row: Row[Any]) -> SpendingLimit:
    data = {name: value for name, value in row._mapping.items() if name not in ("id", "set_at")}
    return SpendingLimit.model_validate({**data, "then": Beyond(row.then)})
