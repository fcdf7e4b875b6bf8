"""The table of dependencies: what all workers know of them, and the one lease for a probe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.statements import insert_into
from activities.storage.store import Store
from plangate.breakers import SET_BACK, Breaker, BreakerState, closed
from plangate.errors import InvalidInput

_TABLE = tables.dependencies


class Dependencies:
    """The dependencies of a database.

    Args:
        store: The project's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def listed(self) -> list[Breaker]:
        """All of them, by name."""
        async with self._store.reading() as connection:
            return [_breaker(row) for row in await connection.execute(select(_TABLE).order_by(_TABLE.c.name))]

    async def clock(self) -> datetime:
        """The time that all workers share: PostgreSQL's own; this machine's where all use one file."""
        if self._store.dialect != "postgresql":
            return datetime.now(UTC)
        async with self._store.reading() as connection:
            moment: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return moment.astimezone(UTC)

    async def change(self, name: str, how: Callable[[Breaker], Breaker]) -> Breaker:
        """Change one, alone among all workers; one that isn't known is new.

        Args:
            name: The dependency.
            how: What becomes of it; called once, inside the transaction.
        """
        async with self._store.transaction() as connection:
            fresh = _values(Breaker(name=name))
            insert = insert_into(self._store.dialect, _TABLE).values(fresh)
            await connection.execute(insert.on_conflict_do_nothing(index_elements=["name"]))
            changed = how(await _locked(connection, name))
            await connection.execute(update(_TABLE).where(_TABLE.c.name == name).values(_values(changed)))
        return changed

    async def take_probe(self, name: str, token: str, *, now: datetime, until: datetime) -> bool:
        """Become the one who finds out whether a dependency is back; False when it isn't time, or another one does."""
        due = and_(_TABLE.c.state == BreakerState.OPEN.value, _TABLE.c.retry_at <= now)
        lapsed = and_(_TABLE.c.state == BreakerState.HALF_OPEN.value, _TABLE.c.probe_until <= now)
        set_back = and_(_TABLE.c.state != BreakerState.CLOSED.value, _TABLE.c.updated_at > now + SET_BACK)
        taken = {"state": BreakerState.HALF_OPEN.value, "probe": token, "probe_until": until, "updated_at": now}
        async with self._store.transaction() as connection:
            may = or_(due, lapsed, set_back)
            done = await connection.execute(update(_TABLE).where(_TABLE.c.name == name, may).values(taken))
        return done.rowcount == 1

    async def note_health(self, name: str, wrong: str, *, at: datetime) -> None:
        """What a health check said; nothing wrong is healthy."""
        said = {"healthy": not wrong, "health": wrong, "health_at": at}
        await self.change(name, lambda breaker: breaker.model_copy(update=said))

    async def reset(self, name: str, *, by: str, at: datetime) -> Breaker:
        """Close a breaker by hand.

        Raises:
            InvalidInput: There is no dependency of that name.
        """
        async with self._store.transaction() as connection:
            query = select(_TABLE).where(_TABLE.c.name == name).with_for_update()
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise InvalidInput(f"there is no dependency {name!r}")
            reset = closed(_breaker(row)).model_copy(
                update={"reset_by": by, "reset_at": at, "updated_at": at, "paused_until": None}
            )
            await connection.execute(update(_TABLE).where(_TABLE.c.name == name).values(_values(reset)))
        return reset


async def _locked(connection: AsyncConnection, name: str) -> Breaker:
    query = select(_TABLE).where(_TABLE.c.name == name).with_for_update()
    return _breaker((await connection.execute(query)).one())


def _breaker(row: Row[Any]) -> Breaker:
    return Breaker.model_validate(dict(row._mapping))


def _values(breaker: Breaker) -> dict[str, Any]:
    return {**breaker.model_dump(), "state": breaker.state.value}
