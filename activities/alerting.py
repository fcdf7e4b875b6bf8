"""Notices runs and days that cost more than a multiple of the usual, once each.

What is usual is remembered for a minute, so that the end of a run seldom asks the database: a worker adds up what its
own runs cost meanwhile and looks again before it says anything. What other workers' runs cost is known a minute later
at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from opentelemetry import metrics

from activities.storage import alerts
from activities.storage.store import Store
from plangate.alerts import DAYS, LEAST_DAYS, LEAST_RUNS, RUNS, CostAlert, day_alert, run_alert, usual
from plangate.run_status import RunResult

FRESH_SECONDS = 60.0
"""How old may be what is known of an agent's usual cost and of its day."""
log = structlog.get_logger("plangate.cost")
_COUNTER = metrics.get_meter("plangate").create_counter(
    "plangate.cost.alerts", unit="{alert}", description="Runs and days that cost more than a multiple of the usual."
)


@dataclass
class _Known:
    """What is known of an agent."""

    read_at: float
    day: str
    run_usual: float | None
    day_usual: float | None
    spent: float
    """USD today."""
    told: set[str] = field(default_factory=set)
    """Ids of alerts that are written already."""


class CostAlerts:
    """Alerts about cost.

    Args:
        store: The project's database.
        factors: How many times the usual is too much, by agent; None where the owner wants no alerts.
        fresh_seconds: How old may be what is known.
        clock: The time in UTC; tests set it.
    """

    def __init__(
        self,
        store: Store,
        factors: Callable[[str], float | None],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._factors, self._fresh, self._clock = store, factors, fresh_seconds, clock
        self._known: dict[str, _Known] = {}

    async def judge(self, result: RunResult) -> list[str]:
        """What there is to say of a run that ended, in words; written down, logged and counted once.

        A run without a known cost is never dear. Asked again about the same run it says the same.
        """
        cost, factor = result.usage.cost_usd, self._factors(result.agent)
        if cost <= 0 or factor is None:
            return []
        known = await self._of(result.agent)
        known.spent += cost
        found = [
            run_alert(result.agent, result.run, cost, known.run_usual, factor=factor),
            await self._day(result, known, factor),
        ]
        dear = [alert for alert in found if alert is not None]
        for alert in dear:
            if alert.id not in known.told and await alerts.add_alert(self._store, alert, at=self._clock()):
                _tell(alert, factor)
            if alert.kind == "day":
                known.told.add(alert.id)
        return await alerts.alert_messages(self._store, result.run, [alert.id for alert in dear]) if dear else []

    async def _day(self, result: RunResult, known: _Known, factor: float) -> CostAlert | None:
        agent, run = result.agent, result.run
        guess = day_alert(agent, run, known.day, known.spent, known.day_usual, factor=factor)
        if guess is None:
            return None
        if guess.id not in known.told:  # a run that is told of twice counted twice here: ask who knows
            known.spent = (await alerts.day_costs(self._store, agent, since=self._today())).get(known.day, 0.0)
            guess = day_alert(agent, run, known.day, known.spent, known.day_usual, factor=factor)
        return guess

    async def _of(self, agent: str) -> _Known:
        now, today = time.monotonic(), self._today()
        day = f"{today:%Y-%m-%d}"
        known = self._known.get(agent)
        if known is not None and known.day == day and now - known.read_at < self._fresh:
            return known
        recent = await alerts.run_costs(self._store, agent, most=RUNS)
        spent = (await alerts.day_costs(self._store, agent, since=today)).get(day, 0.0)
        if known is not None and known.day == day:
            day_usual, told = known.day_usual, known.told  # days that are over don't change
        else:
            before = await alerts.day_costs(self._store, agent, since=today - timedelta(days=DAYS), until=today)
            day_usual, told = usual(list(before.values()), least=LEAST_DAYS), set()
        fresh = _Known(now, day, usual(recent, least=LEAST_RUNS), day_usual, spent, told)
        self._known[agent] = fresh
        return fresh

    def _today(self) -> datetime:
        return self._clock().replace(hour=0, minute=0, second=0, microsecond=0)


def _tell(alert: CostAlert, factor: float) -> None:
    log.warning("cost alert", **alert.model_dump(exclude={"id"}), factor=factor)
    _COUNTER.add(1, {"kind": alert.kind, "agent": alert.agent})
