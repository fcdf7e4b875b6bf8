"""Database URLs and engines: SQLite tuned for one file that several processes share, PostgreSQL with a pool."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from activities.storage.sqlite import connect
from plangate.errors import InvalidInput

URL_VARIABLE = "PLANGATE_DATABASE_URL"
DATA_VARIABLE = "PLANGATE_DATA"
DATA_DEFAULT = ".plangate"
FILE_NAME = "plangate.db"
BUSY_SECONDS = 15.0
"""How long a SQLite writer waits for another process's transaction."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


@dataclass(frozen=True)
class Engines:
    """Where to write and where to read. On PostgreSQL both share one pool."""

    write: AsyncEngine
    read: AsyncEngine

    @property
    def sqlite(self) -> bool:
        """Whether there is one file and so one writer at a time."""
        return self.write.dialect.name == "sqlite"

    async def dispose(self) -> None:
        """Close every connection."""
        await self.read.dispose()
        await self.write.dispose()


def sqlite_url(data: Path) -> str:
    """The URL of the SQLite file in a data folder."""
    return URL.create("sqlite+aiosqlite", database=str(data.absolute() / FILE_NAME)).render_as_string()


def configured_url(data: Path | None = None) -> str:
    """`PLANGATE_DATABASE_URL`, else the file in the data folder (`PLANGATE_DATA`, else `./.plangate`)."""
    if url := os.environ.get(URL_VARIABLE, "").strip():
        return url
    return sqlite_url(data or Path(os.environ.get(DATA_VARIABLE) or DATA_DEFAULT))


def parse_url(url: str) -> URL:
    """A database URL with the driver that Plangate uses.

    Raises:
        InvalidInput: It is no URL, or of another database than SQLite and PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(f"{URL_VARIABLE} isn't a database URL; {_EXAMPLES}") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise InvalidInput(f"{URL_VARIABLE} names {parsed.drivername!r}, which isn't supported; {_EXAMPLES}")
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise InvalidInput(f"{URL_VARIABLE} has to name a SQLite file, since several processes share it; {_EXAMPLES}")
    return parsed.set(drivername=driver)


_EXAMPLES = "use for example sqlite:////var/lib/plangate/plangate.db or postgresql://user:password@host/name"


def shown_url(url: str) -> str:
    """A database URL for people and logs, without its password; as it is configured, without the driver."""
    parsed = parse_url(url)
    return parsed.set(drivername=parsed.get_backend_name()).render_as_string(hide_password=True)


def missing_file(url: str) -> Path | None:
    """The SQLite file that a URL names and that isn't there."""
    parsed = parse_url(url)
    file = Path(parsed.database or "")
    return file if parsed.get_backend_name() == "sqlite" and not file.exists() else None


def make_engines(url: str, *, pool_size: int = 10) -> Engines:
    """The engines of a database; nothing is connected yet.

    Args:
        url: Where the database is.
        pool_size: Connections to PostgreSQL; readers of a SQLite file (each is a thread) are at most 4.

    Raises:
        InvalidInput: The URL can't be used.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, readers=min(pool_size, 4))
    write = create_async_engine(parsed, pool_size=pool_size, max_overflow=pool_size, pool_recycle=1800)
    return Engines(write, write.execution_options(isolation_level="AUTOCOMMIT"))


def _sqlite(url: URL, *, readers: int) -> Engines:
    """One writing connection whose transactions begin IMMEDIATE, and readers that can't write."""
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"async_creator": lambda: connect(url, busy_seconds=BUSY_SECONDS), "max_overflow": 0}
    write = create_async_engine(url, pool_size=1, **options)
    read = create_async_engine(
        url, pool_size=readers, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True, **options
    )

    @event.listens_for(write.sync_engine, "connect")
    def _open_writer(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        _run(connection, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA foreign_keys=ON")

    @event.listens_for(write.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        # A deferred transaction that turns into a writer fails at once when another has written meanwhile.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(read.sync_engine, "connect")
    def _open_reader(connection: Any, _: Any) -> None:
        _run(connection, "PRAGMA query_only=ON")

    return Engines(write, read)


def _run(connection: Any, *statements: str) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
