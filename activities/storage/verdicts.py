"""How often guardrails said what."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import func, select

from activities.storage import tables
from activities.storage.store import Store


class VerdictCount(BaseModel):
    """One rule of a guardrail."""

    guard: str
    """Empty for a rule that belongs to no guardrail of the registry."""
    rule: str
    action: str
    """`change`, `ask`, `draft` or `block`."""
    times: int
    runs: int


async def verdict_counts(store: Store, *, since: datetime | None = None, agent: str = "") -> list[VerdictCount]:
    """What guardrails said in runs that ended, by guardrail, rule and action; the most frequent first.

    Args:
        store: The project's database.
        since: Only runs that ended from then on.
        agent: Only this agent's.
    """
    said = tables.verdicts.c
    query = select(
        said.guard,
        said.rule,
        said.action,
        func.count().label("times"),
        func.count(said.run.distinct()).label("runs"),
    ).group_by(said.guard, said.rule, said.action)
    if since is not None:
        query = query.where(said.at >= since)
    if agent:
        query = query.where(said.agent == agent)
    async with store.reading() as conn:
        rows = [VerdictCount.model_validate(dict(row._mapping)) for row in await conn.execute(query)]
    return sorted(rows, key=lambda row: (-row.times, row.guard, row.rule, row.action))
