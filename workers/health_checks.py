"""The agents' health checks, as `plangate doctor` runs them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from activities.catalogue import Catalogue, agents_folder
from activities.health import run_check
from activities.storage.engine import configured_url, parse_url
from activities.storage.store import Store
from plangate.errors import PlangateError
from workers.checks import Check, Finding, Surroundings


async def _store(where: Surroundings) -> Store | None:
    """The database, if it is there and of this version; what is wrong with it the check of the database says."""
    try:
        url = configured_url(where.folder)
        if _is_missing(url):
            return None
        return await Store.open(url, pool_size=2)
    except PlangateError:
        return None


def _is_missing(url: str) -> bool:
    """Whether it is a SQLite file that isn't there: to look at it would make it."""
    parsed = parse_url(url)
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


async def check_health(where: Surroundings) -> list[Check]:
    """Every dependency that an agent can look at. One that doesn't work is a warning: runs wait for it."""
    try:
        catalogue = await asyncio.to_thread(
            lambda: Catalogue.load([agents_folder(where.environ.get("PLANGATE_AGENTS"))])
        )
    except PlangateError:
        return []  # said by the check of the agents
    checks = [(agent, each) for agent in catalogue.agents.values() for each in agent.health.values()]
    if not checks:
        return []
    environ = {**where.system.get("settings", {}), **where.environ}
    async with AsyncExitStack() as stack:
        store = await _store(where)
        if store is not None:
            await stack.enter_async_context(store)
        wrong = await asyncio.gather(*(run_check(each, agent, environ, store) for agent, each in checks))
    found = []
    for (agent, each), text in zip(checks, wrong, strict=True):
        name = f"{each.dependency} of {agent.name}"
        to_do = "start it, or correct the agent's settings; `plangate up` starts the example's services"
        found.append(
            Check(name, Finding.WARN, f"its health check says: {text}", to_do)
            if text
            else Check(name, Finding.OK, "its health check finds nothing wrong")
        )
    return found
