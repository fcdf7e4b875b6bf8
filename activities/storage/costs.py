"""What was used: model calls summed up by run, session, user, agent, model or day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, computed_field
from sqlalchemy import ColumnElement, case, func, select

from activities.storage import tables
from activities.storage.alerts import day_of
from activities.storage.store import Store

BY = ("run", "session", "user", "agent", "model", "day")


class CostRow(BaseModel):
    """One line: what its calls used. A cost that isn't known is counted as unpriced, never as 0."""

    name: str | None
    calls: int
    cached_calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    """Of the calls with a known price; None when there is none."""
    forecast_tokens: int = 0
    forecast_usd: float = 0.0
    """What was expected before these calls."""
    compared_tokens: int = 0
    """Tokens of the calls that a forecast was made for."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def forecast_error(self) -> float | None:
        """How far the forecast of tokens was off, as a share of what was used: 0.2 for a fifth too much."""
        if not self.forecast_tokens or not self.compared_tokens:
            return None
        return round((self.forecast_tokens - self.compared_tokens) / self.compared_tokens, 4)


class AlertRow(BaseModel):
    """A run or a day that cost more than twice the usual."""

    kind: str
    agent: str
    run: str | None = None
    cost_usd: float
    usual_usd: float
    message: str
    at: datetime


async def cost_rows(store: Store, *, by: str, since: datetime | None = None, agent: str = "") -> list[CostRow]:
    """Usage, summed up; days in their order, everything else by cost.

    Args:
        store: The project's database.
        by: One of `BY`.
        since: Only calls from then on.
        agent: Only this agent's.
    """
    used = tables.usage.c
    name: ColumnElement[Any] = day_of(store, used.at) if by == "day" else used[by]
    tokens = used.input_tokens + used.output_tokens
    query = select(
        name.label("name"),
        func.count().label("calls"),
        func.coalesce(func.sum(used.cached_calls), 0).label("cached_calls"),
        (func.count() - func.count(used.cost_usd)).label("unpriced_calls"),
        func.sum(used.input_tokens).label("input_tokens"),
        func.sum(used.output_tokens).label("output_tokens"),
        func.sum(used.cost_usd).label("cost_usd"),
        func.coalesce(func.sum(used.forecast_tokens), 0).label("forecast_tokens"),
        func.coalesce(func.sum(used.forecast_usd), 0.0).label("forecast_usd"),
        func.coalesce(func.sum(case((used.forecast_tokens.is_not(None), tokens), else_=0)), 0).label("compared_tokens"),
    ).group_by(name)
    if since is not None:
        query = query.where(used.at >= since)
    if agent:
        query = query.where(used.agent == agent)
    async with store.reading() as conn:
        rows = [CostRow.model_validate(dict(row._mapping)) for row in await conn.execute(query)]
    if by == "day":
        return sorted(rows, key=lambda row: row.name or "")
    return sorted(rows, key=lambda row: (-(row.cost_usd or 0), -row.input_tokens - row.output_tokens, row.name or ""))


async def alert_rows(store: Store, *, since: datetime | None = None, agent: str = "") -> list[AlertRow]:
    """Alerts, the newest first, at most 50."""
    table = tables.alerts
    query = select(table).order_by(table.c.at.desc()).limit(50)
    if since is not None:
        query = query.where(table.c.at >= since)
    if agent:
        query = query.where(table.c.agent == agent)
    async with store.reading() as conn:
        return [AlertRow.model_validate(dict(row._mapping)) for row in await conn.execute(query)]
