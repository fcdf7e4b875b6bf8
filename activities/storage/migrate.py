"""Migrations: bring a database to the newest schema, from code, without an `alembic.ini`.

Several processes may do so at once: the whole upgrade is one transaction behind a lock that the others wait for.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.storage.engine import make_engines
from activities.storage.schema import NEWEST, unreachable

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x706C616E67617465
"""`plangate` in ASCII: the key of PostgreSQL's advisory lock."""
_TRIES = 20


async def migrate(url: str) -> str:
    """Bring the database to the newest schema; does nothing when it is there already.

    Returns:
        The revision that the database has now.

    Raises:
        InvalidInput: The URL can't be used.
        PlangateError: The database can't be reached or can't be migrated.
    """
    engines = make_engines(url, pool_size=1)
    try:
        await _turn_on_wal(engines.write)
        async with engines.write.begin() as connection:
            if not engines.sqlite:  # SQLite's transaction begins with its lock
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(_upgrade)
        return NEWEST
    except (SQLAlchemyError, OSError) as error:
        raise unreachable(url, error) from error
    finally:
        await engines.dispose()


async def _turn_on_wal(engine: AsyncEngine) -> None:
    """Open the first connection. SQLite doesn't wait for its lock when several processes switch a new file to WAL."""
    for tries_left in reversed(range(_TRIES)):
        try:
            async with engine.connect():
                return
        except OperationalError as error:
            if "locked" not in str(error) or not tries_left:
                raise
            await asyncio.sleep(0.1)


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, for a connection whose transaction the migrations run in."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def _upgrade(connection: Connection) -> None:
    command.upgrade(config(connection), "head")
