"""Health checks, run with their time limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import faults
from activities.catalogue import LoadedAgent
from activities.credentials.masking import KNOWN
from activities.invoking import LazyConnection
from activities.storage.store import Store
from plangate.health_checks import HEALTH_SECONDS, HealthCheck
from plangate.tool_context import ToolContext

MAX_WORDS = 300
"""Characters of what is wrong."""


async def run_check(
    check: HealthCheck,
    agent: LoadedAgent,
    environ: Mapping[str, str],
    store: Store | None,
    *,
    seconds: float = HEALTH_SECONDS,
) -> str:
    """What is wrong with a dependency; empty when it works.

    Args:
        check: Its health check.
        agent: The agent that it belongs to.
        environ: Where the agent's settings may be overridden.
        store: The project's database, to read from; None when there is none.
        seconds: How long the check may take.
    """
    database = LazyConnection(store, write=False) if store is not None else None
    context = ToolContext(
        agent=agent.name, settings=agent.tool_settings(environ), database=cast("AsyncConnection | None", database)
    )
    values = {check.context_parameter: context} if check.context_parameter else {}
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            await check.function(**values)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
        if isinstance(error, TimeoutError) and time.monotonic() - began >= seconds:
            return f"no answer within {seconds:g} s"
        return " ".join(KNOWN.mask(faults.classify(error)[1]).split())[:MAX_WORDS] or type(error).__name__
    finally:
        if database is not None:
            await database.close()
    return ""
