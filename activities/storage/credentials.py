"""The table of credentials: what is known of each, its encrypted value, and the one lease for refreshing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.statements import insert_into
from activities.storage.store import Store

_TABLE = tables.credentials
_NONE = ""


@dataclass(frozen=True, kw_only=True)
class CredentialRow:
    """What the database knows of a credential."""

    agent: str
    name: str
    value: str = _NONE
    """Encrypted; empty when workers don't share it."""
    obtained_at: datetime | None = None
    expires_at: datetime | None = None
    refreshed_by: str = ""
    refreshes: int = 0
    failures: int = 0
    error_type: str = ""
    """Of the latest refresh, if it failed."""
    last_error: str = ""
    failed_at: datetime | None = None
    lease: str = ""
    lease_until: datetime | None = None


class CredentialTable:
    """The credentials of a database.

    Args:
        store: The project's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def listed(self) -> list[CredentialRow]:
        """All of them, by agent and name."""
        query = select(_TABLE).order_by(_TABLE.c.agent, _TABLE.c.name)
        async with self._store.reading() as connection:
            return [CredentialRow(**row._mapping) for row in await connection.execute(query)]

    async def get(self, agent: str, name: str) -> CredentialRow:
        """One of them; one that isn't known is new."""
        async with self._store.reading() as connection:
            row = (await connection.execute(select(_TABLE).where(_is(agent, name)))).one_or_none()
        return CredentialRow(**row._mapping) if row is not None else CredentialRow(agent=agent, name=name)

    async def take(self, seen: CredentialRow, lease: str, *, now: datetime, until: datetime) -> bool:
        """Become the one who refreshes it; False when another one does, or it isn't any more as it was seen.

        A lease that ends much later than one of now would is of a clock that was wrong; nobody waits for it.
        """
        unchanged = and_(_TABLE.c.refreshes == seen.refreshes, _TABLE.c.failures == seen.failures)
        wrong = _TABLE.c.lease_until > until + (until - now)
        free = or_(_TABLE.c.lease == _NONE, _TABLE.c.lease_until <= now, wrong)

        async def work(connection: AsyncConnection) -> bool:
            await self._know(connection, seen.agent, seen.name)
            where = and_(_is(seen.agent, seen.name), unchanged, free)
            done = await connection.execute(update(_TABLE).where(where).values(lease=lease, lease_until=until))
            return done.rowcount == 1

        return await self._store.together(work)

    async def refreshed(
        self, agent: str, name: str, *, lease: str, value: str, at: datetime, expires_at: datetime | None, by: str
    ) -> None:
        """A refresh worked. Who lost the lease meanwhile writes nothing; without a lease no value is kept."""
        said: dict[str, Any] = {
            "value": value, "obtained_at": at, "expires_at": expires_at, "refreshed_by": by, "error_type": "",
            "last_error": "", "failed_at": None, "refreshes": _TABLE.c.refreshes + 1,
        }  # fmt: skip
        await self._note(agent, name, lease, said)

    async def failed(self, agent: str, name: str, *, lease: str, type: str, error: str, at: datetime) -> None:
        """A refresh failed."""
        said = {"error_type": type, "last_error": error, "failed_at": at, "failures": _TABLE.c.failures + 1}
        await self._note(agent, name, lease, said)

    async def _note(self, agent: str, name: str, lease: str, said: dict[str, Any]) -> None:
        where = _is(agent, name)
        if lease:
            where = and_(where, _TABLE.c.lease == lease)
            said = {**said, "lease": _NONE, "lease_until": None}

        async def work(connection: AsyncConnection) -> None:
            await self._know(connection, agent, name)
            await connection.execute(update(_TABLE).where(where).values(said))

        await self._store.together(work)

    async def _know(self, connection: AsyncConnection, agent: str, name: str) -> None:
        fresh = {"agent": agent, "name": name, "value": _NONE, "refreshed_by": "", "refreshes": 0, "failures": 0}
        fresh |= {"error_type": "", "last_error": "", "lease": _NONE}
        insert = insert_into(self._store.dialect, _TABLE).values(fresh)
        await connection.execute(insert.on_conflict_do_nothing(index_elements=["agent", "name"]))


def _is(agent: str, name: str) -> ColumnElement[bool]:
    return and_(_TABLE.c.agent == agent, _TABLE.c.name == name)
