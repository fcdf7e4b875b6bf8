"""Whether a budget that somebody sets is about an agent, a tool and an argument that there are."""

from __future__ import annotations

import os

from sqlalchemy import select

from activities.catalogue import Catalogue, agents_folder
from activities.catalogue.limits import problems_of_budget
from activities.storage import tables
from activities.storage.store import Store
from plangate.errors import InvalidInput, PlangateError
from plangate.spending import SpendingLimit
from plangate.wording import suggestion


async def require_known(store: Store, limit: SpendingLimit) -> None:
    """Check what a budget is about, as far as this machine knows the agents.

    Raises:
        InvalidInput: There is no such agent here and none has run, or the agents have no such tool or argument.
    """
    try:
        catalogue = Catalogue.load([agents_folder(os.environ.get("PLANGATE_AGENTS"))])
    except InvalidInput:
        return  # no agents on this machine: nothing to compare with
    if limit.agent and limit.agent not in catalogue.agents:
        if limit.agent in catalogue.broken or await _has_run(store, limit.agent):
            return  # of another machine, or being mended
        try:
            catalogue.get(limit.agent)
        except PlangateError as error:
            raise InvalidInput(error.message) from None
    agents = [each for name, each in catalogue.agents.items() if limit.agent in ("", name)]
    if not limit.tool or catalogue.broken:
        return
    having = [each for each in agents if limit.tool in each.scope.tools]
    if agents and not having:
        known = sorted({name for each in agents for name in each.scope.tools})
        raise InvalidInput(f"no agent has the tool {limit.tool!r}{suggestion(limit.tool, known)}")
    found = [problems_of_budget(limit, each.scope, each.tools) for each in having]
    if found and all(found):
        raise InvalidInput(f"a budget of {limit.tool} {limit.argument}: {found[0][0]}")


async def _has_run(store: Store, agent: str) -> bool:
    used = tables.usage.c
    async with store.reading() as conn:
        return await conn.scalar(select(used.id).where(used.agent == agent).limit(1)) is not None
