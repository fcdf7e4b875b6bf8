"""Makes the agent's table; the worker calls `setup` when it starts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from .tables import metadata


async def setup(connection: AsyncConnection, settings: Mapping[str, str]) -> None:
    """Create what is missing; changes nothing that is there.

    Args:
        connection: To the project's database, in a transaction that the caller commits.
        settings: The agent's settings.
    """
    await connection.run_sync(metadata.create_all)
