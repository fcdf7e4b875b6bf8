"""SQLite for one event loop: a statement and its rows take one trip to the connection's thread.

`aiosqlite` makes the trip for each call of the DB-API: SQLAlchemy opens a cursor, executes, fetches and closes, four
trips a statement. In a worker that is busy each trip waits for the interpreter's lock twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Self

import aiosqlite
from sqlalchemy import URL

_CHUNK = 64


class _Outcome(NamedTuple):
    """What a statement left, in the DB-API's terms (PEP 249)."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    rows: Sequence[Any] = ()


class Cursor:
    """An asynchronous cursor of the DB-API, as SQLAlchemy asks for it; all rows are fetched with the statement."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._done, self._next = _Outcome(), 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(self, sql: str, parameters: Any = ()) -> Self:
        """Run one statement."""
        return await self._run(sqlite3.Cursor.execute, sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Any]) -> Self:
        """Run one statement once for each row of parameters."""
        return await self._run(sqlite3.Cursor.executemany, sql, parameters)

    async def _run(self, function: Any, sql: str, parameters: Any) -> Self:
        self._done, self._next = await self._connection.run(function, sql, parameters), 0
        return self

    @property
    def description(self) -> Any:
        """Of the columns; None for a statement without rows."""
        return self._done.description

    @property
    def rowcount(self) -> int:
        """Rows that were changed; -1 for a query."""
        return self._done.rowcount

    @property
    def lastrowid(self) -> int | None:
        """Of the last row inserted."""
        return self._done.lastrowid

    async def fetchone(self) -> Any:
        """The next row; None after the last one."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """The next rows."""
        start, self._next = self._next, self._next + (self.arraysize if size is None else size)
        return self._done.rows[start : self._next]

    async def fetchall(self) -> Sequence[Any]:
        """The rows that are left."""
        return await self.fetchmany(len(self._done.rows))

    async def close(self) -> None:
        """Nothing is left to close: the database's own cursor was closed after its statement."""


class Connection(aiosqlite.Connection):
    """A connection whose cursors make one trip a statement."""

    def cursor(self) -> Any:
        """A cursor; opening it needs no trip."""
        return Cursor(self)

    async def run(self, function: Any, sql: str, parameters: Any) -> _Outcome:
        """Open a cursor, call one of its functions, fetch what there is, and close it: all of it in the thread.

        Raises:
            sqlite3.Error: What the database said.
            ValueError: The connection is closed.
        """
        connection = self._conn

        def in_thread() -> _Outcome:
            cursor = connection.cursor()
            try:
                function(cursor, sql, parameters)
                rows = cursor.fetchall() if cursor.description else []
                return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
            finally:
                cursor.close()

        outcome: _Outcome = await self._execute(in_thread)  # type: ignore[no-untyped-call]
        return outcome


async def connect(url: URL, *, busy_seconds: float) -> Connection:
    """Open a SQLite file, for `create_async_engine(async_creator=…)`.

    Args:
        url: With the driver `sqlite+aiosqlite`.
        busy_seconds: How long to wait for another process's transaction.
    """
    arguments, options = url.get_dialect()().create_connect_args(url)
    connector: Any = partial(sqlite3.connect, *arguments, **{"timeout": busy_seconds, **options})
    opened = Connection(connector, _CHUNK)
    opened._thread.daemon = True  # a connection that nobody closed doesn't keep the process alive
    await opened
    return opened
