"""The table that `book` writes to."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def setup(connection: AsyncConnection, settings: Mapping[str, str]) -> None:
    """Create it."""
    await connection.execute(text("CREATE TABLE IF NOT EXISTS bookings (what TEXT)"))
