"""The table of how answers differ from what tools know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.statements import insert_into
from activities.storage.store import Store

_TABLE = tables.response_drifts


class DriftKey(NamedTuple):
    """What is counted."""

    dependency: str
    tool: str
    kind: str
    """`drift` or `addition`."""
    what: str


@dataclass(frozen=True)
class SeenDrift:
    """A difference, how often it was seen, and when."""

    dependency: str
    tool: str
    kind: str
    what: str
    count: int
    first_seen: datetime
    last_seen: datetime


async def add(store: Store, counts: Mapping[DriftKey, int], *, at: datetime) -> None:
    """Count differences, of all workers together."""
    insert = insert_into(store.dialect, _TABLE)
    upsert = insert.on_conflict_do_update(
        index_elements=["dependency", "tool", "kind", "what"],
        set_={"count": _TABLE.c.count + insert.excluded["count"], "last_seen": insert.excluded["last_seen"]},
    )
    # In one order, so that no two workers wait for each other.
    rows = [
        {**key._asdict(), "count": count, "first_seen": at, "last_seen": at} for key, count in sorted(counts.items())
    ]

    async def work(connection: AsyncConnection) -> None:
        for row in rows:
            await connection.execute(upsert, row)

    await store.together(work)


async def listed(store: Store) -> list[SeenDrift]:
    """All of them; those that no longer fit first, then the latest first."""
    order = (_TABLE.c.kind.desc(), _TABLE.c.last_seen.desc(), _TABLE.c.dependency, _TABLE.c.tool, _TABLE.c.what)
    async with store.reading() as connection:
        rows = await connection.execute(select(_TABLE).order_by(*order))
        return [SeenDrift(**row._mapping) for row in rows]
