"""Which schema a database has, and which one this version needs. Doesn't load Alembic, which takes half a second."""

from __future__ import annotations

import asyncio
import os
import sys

from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.storage.engine import make_engines, shown_url
from plangate.errors import ErrorType, PlangateError

NEWEST = "0009"
"""The newest revision in `migrations/versions`; revisions are numbered."""
VERSION_TABLE = "alembic_version"


async def ensure_newest(url: str) -> None:
    """Bring the database to the newest schema, if it isn't there.

    Raises:
        InvalidInput: The URL can't be used.
        PlangateError: The database can't be reached or can't be migrated.
    """
    if await current_revision(url) != NEWEST:
        await _migrate_in_a_child(url)


async def _migrate_in_a_child(url: str) -> None:
    """Alembic stays in memory once it is loaded, so a worker lets another process migrate."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "activities.storage",
        "upgrade",
        env={**os.environ, "PLANGATE_DATABASE_URL": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await child.communicate()
    if child.returncode:
        said = errors.decode(errors="replace").strip() or f"the migration ended with {child.returncode}"
        raise PlangateError(said, type=ErrorType.UNAVAILABLE)


async def current_revision(url: str) -> str | None:
    """The database's revision, or None when it has no schema yet.

    Raises:
        InvalidInput: The URL can't be used.
        PlangateError: The database can't be reached.
    """
    engines = make_engines(url, pool_size=1)
    try:
        return await _revision(engines.read, url)
    finally:
        await engines.dispose()


async def require_newest(engine: AsyncEngine, url: str) -> None:
    """Check that the schema is this version's.

    Raises:
        PlangateError: It isn't, or the database can't be reached.
    """
    found = await _revision(engine, url)
    if found == NEWEST:
        return
    state, advice = "has no schema yet", "run `plangate migrate`"
    if found is not None:
        state = f"has the schema {found}, and this version of Plangate works with {NEWEST}"
        if found > NEWEST:
            advice = "install the version of Plangate that made it, or a newer one"
    raise PlangateError(f"the database {shown_url(url)} {state}: {advice}", type=ErrorType.PERMANENT)


async def _revision(engine: AsyncEngine, url: str) -> str | None:
    try:
        async with engine.connect() as connection:
            if not await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE)):
                return None
            found: str | None = await connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
            return found
    except (SQLAlchemyError, OSError) as error:
        raise unreachable(url, error) from error


def unreachable(url: str, error: Exception) -> PlangateError:
    """What to say when the database doesn't answer."""
    cause = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
    return PlangateError(
        f"the database {shown_url(url)} can't be used: {cause}. "
        "Check that it runs and that PLANGATE_DATABASE_URL is right.",
        type=ErrorType.UNAVAILABLE,
    )
