"""Migrations: bring a database to the newest schema, from code, without an `alembic.ini`.

Several processes may do so at once: the whole upgrade is one transaction behind a lock that the others wait for.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.storage.engine import make_engines, shown_url
from plangate.errors import ErrorType, PlangateError

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x706C616E67617465
"""`plangate` in ASCII: the key of PostgreSQL's advisory lock."""
_TRIES = 20


def newest_revision() -> str:
    """The revision that this version of Plangate works with."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


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
        return newest_revision()
    except (SQLAlchemyError, OSError) as error:
        raise _unreachable(url, error) from error
    finally:
        await engines.dispose()


async def current_revision(url: str) -> str | None:
    """The database's revision, or None when it has no schema yet.

    Raises:
        PlangateError: The database can't be reached.
    """
    engines = make_engines(url, pool_size=1)
    try:
        return await _revision(engines.read)
    except (SQLAlchemyError, OSError) as error:
        raise _unreachable(url, error) from error
    finally:
        await engines.dispose()


async def require_newest(engine: AsyncEngine, url: str) -> None:
    """Check that the schema is this version's.

    Raises:
        PlangateError: It isn't, or the database can't be reached.
    """
    try:
        found = await _revision(engine)
    except (SQLAlchemyError, OSError) as error:
        raise _unreachable(url, error) from error
    wanted = newest_revision()
    if found == wanted:
        return
    state, advice = "has no schema yet", "run `plangate migrate`"
    if found is not None:
        state = f"has the schema {found}, and this version of Plangate works with {wanted}"
        if found not in _revisions():
            advice = "install the version of Plangate that made it, or a newer one"
    raise PlangateError(f"the database {shown_url(url)} {state}: {advice}", type=ErrorType.PERMANENT)


async def _revision(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


def _revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


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


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


def _unreachable(url: str, error: Exception) -> PlangateError:
    cause = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
    return PlangateError(
        f"the database {shown_url(url)} can't be used: {cause}. "
        "Check that it runs and that PLANGATE_DATABASE_URL is right.",
        type=ErrorType.UNAVAILABLE,
    )
