"""What alerts about cost are made of, and the alerts: one at most for a run, and for an agent's day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from activities.storage import tables
from activities.storage.statements import insert_into
from activities.storage.store import Store
from plangate.alerts import CostAlert


async def run_costs(store: Store, agent: str, *, most: int) -> list[float]:
    """USD of the newest runs of an agent that ended and cost something."""
    runs = tables.runs.c
    query = (
        select(runs.cost_usd)
        .where(runs.agent == agent, runs.outcome.is_not(None), runs.cost_usd > 0)
        .order_by(runs.started_at.desc())
        .limit(most)
    )
    async with store.reading() as conn:
        return [float(cost) for cost in await conn.scalars(query)]


async def day_costs(store: Store, agent: str, *, since: datetime, until: datetime | None = None) -> dict[str, float]:
    """USD of an agent's model calls by day (`YYYY-MM-DD`, UTC); a day without a known cost is missing."""
    used = tables.usage.c
    day = day_of(store, used.at)
    query = (
        select(day.label("day"), func.sum(used.cost_usd).label("cost"))
        .where(used.agent == agent, used.at >= since, used.cost_usd > 0)
        .group_by(day)
    )
    if until is not None:
        query = query.where(used.at < until)
    async with store.reading() as conn:
        return {row.day: float(row.cost) for row in await conn.execute(query)}


def day_of(store: Store, at: ColumnElement[datetime]) -> ColumnElement[str]:
    """A moment's day in UTC, `YYYY-MM-DD`."""
    if store.dialect == "sqlite":
        return func.strftime("%Y-%m-%d", at)
    return func.to_char(func.timezone("UTC", at), "YYYY-MM-DD")


async def add_alert(store: Store, alert: CostAlert, *, at: datetime) -> bool:
    """Write an alert down; False when there was one already, by whichever worker."""
    row = {**alert.model_dump(), "at": at}
    insert = insert_into(store.dialect, tables.alerts).values(row).on_conflict_do_nothing(index_elements=["id"])
    done = await store.together(lambda conn: conn.execute(insert))
    return done.rowcount == 1


async def alert_messages(store: Store, run: str, ids: Sequence[str]) -> list[str]:
    """What alerts say that a run's end gave rise to."""
    table = tables.alerts
    query = select(table.c.message).where(table.c.id.in_(ids), table.c.run == run).order_by(table.c.id.desc())
    async with store.reading() as conn:
        return list(await conn.scalars(query))
