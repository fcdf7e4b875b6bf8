"""The local activity `preflight`: are the dependencies up that a plan can't do without?

By their circuit breakers, and by the agent's health checks, whose results all workers share for some seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.breakers import Breakers
from activities.catalogue import Catalogue, LoadedAgent
from activities.health import run_check
from activities.storage.dependencies import Dependencies
from activities.storage.store import Store
from plangate.breakers import Breaker, blocked_until
from plangate.preflight import Down, PreflightReport, PreflightTask

FRESH = timedelta(seconds=10)
"""A result of a health check holds for so long."""
_AGAIN_SECONDS = 5.0


class PreflightActivities:
    """Preflight checks.

    Args:
        catalogue: The agents that this worker serves.
        store: The project's database.
        breakers: What is known of dependencies.
        environ: Where agents' settings may be overridden.
    """

    def __init__(
        self, catalogue: Catalogue, store: Store, breakers: Breakers, *, environ: Mapping[str, str] | None = None
    ) -> None:
        self._catalogue, self._store, self._breakers = catalogue, store, breakers
        self._environ = os.environ if environ is None else environ
        self._table = Dependencies(store)

    @activity.defn(name="preflight")
    async def preflight(self, task: PreflightTask) -> PreflightReport:
        """Look at the dependencies of some tools, at the same time."""
        agent = self._catalogue.get(task.agent)
        names = sorted({agent.tool(tool).dependency for tool in task.tools})
        known = await self._breakers.known()
        whys = await asyncio.gather(*(self._why(name, agent, known.get(name) or Breaker(name=name)) for name in names))
        down = [Down(dependency=name, why=why) for name, why in zip(names, whys, strict=True) if why]
        return PreflightReport(looked_at=names, down=down, seconds=_AGAIN_SECONDS if down else 0.0)

    async def _why(self, name: str, agent: LoadedAgent, breaker: Breaker) -> str:
        """Why a dependency counts as down; empty when it doesn't."""
        now = datetime.now(UTC)
        if blocked_until(breaker, now) is not None:
            return breaker.last_error or "its circuit breaker is open"
        check = agent.health.get(name)
        if check is None:
            return ""
        if breaker.health_at is not None and now - FRESH < breaker.health_at <= now:
            return breaker.health
        wrong = await run_check(check, agent, self._environ, self._store)
        await self._table.note_health(name, wrong, at=datetime.now(UTC))
        return wrong
