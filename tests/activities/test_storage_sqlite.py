"""The SQLite driver: one trip to the connection's thread for each statement, and the DB-API's answers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text

from activities.storage.engine import make_engines
from activities.storage.sqlite import Connection, connect


@pytest_asyncio.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    opened = await connect(make_url(f"sqlite+aiosqlite:///{tmp_path}/a.db"), busy_seconds=0.1)
    async with opened.cursor() as cursor:
        await cursor.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE)")
    yield opened
    await opened.close()


async def test_a_cursor_answers_as_the_database_does(connection: Connection) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany("INSERT INTO t (v) VALUES (?)", [("a",), ("b",), ("c",), ("d",)])
        assert (cursor.description, cursor.rowcount) == (None, 4)
        await cursor.execute("INSERT INTO t (v) VALUES (?)", ("e",))
        assert cursor.lastrowid == 5
        await cursor.execute("UPDATE t SET v = v || '!' WHERE id > ?", (3,))
        assert cursor.rowcount == 2
        await cursor.execute("DELETE FROM t WHERE id = 5 RETURNING v")
        assert (await cursor.fetchall(), cursor.rowcount) == ([("e!",)], 1)
        await cursor.execute("SELECT v FROM t ORDER BY id")
        assert cursor.description[0][0] == "v"
        assert await cursor.fetchone() == ("a",)
        assert await cursor.fetchmany(2) == [("b",), ("c",)]
        assert await cursor.fetchall() == [("d!",)]
        assert (await cursor.fetchone(), await cursor.fetchall()) == (None, [])


async def test_errors_are_the_databases_own(connection: Connection) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute("INSERT INTO t (v) VALUES ('a')")
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            await cursor.execute("INSERT INTO t (v) VALUES ('a')")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await cursor.execute("SELECT * FROM absent")
    await connection.commit()
    await connection.close()
    with pytest.raises(ValueError, match="no active connection"):
        await cursor.execute("SELECT 1")


async def test_a_statement_and_its_rows_are_one_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[Any] = []
    execute = Connection._execute

    async def counted(self: Connection, function: Any, *args: Any, **kwargs: Any) -> Any:
        trips.append(function)
        return await execute(self, function, *args, **kwargs)  # type: ignore[no-untyped-call]

    engines = make_engines(f"sqlite:///{tmp_path}/a.db")
    async with engines.write.begin() as opened:
        await opened.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
    async with engines.write.connect() as opened, opened.begin():
        monkeypatch.setattr(Connection, "_execute", counted)
        for number in range(5):
            await opened.execute(text("INSERT INTO t VALUES (:id)"), {"id": number})
        rows = (await opened.execute(text("SELECT id FROM t"))).all()
        monkeypatch.undo()
    assert (len(rows), len(trips)) == (5, 6)
    await engines.dispose()


async def test_a_cancelled_statement_leaves_no_open_transaction(tmp_path: Path) -> None:
    """The thread runs it to its end; what rolls back comes after it, so the next user of the connection is alone."""
    engines = make_engines(f"sqlite:///{tmp_path}/a.db")
    async with engines.write.begin() as opened:
        await opened.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
    begun = asyncio.Event()

    async def writes() -> None:
        async with engines.write.begin() as opened:
            begun.set()
            while True:
                await opened.execute(text("INSERT INTO t DEFAULT VALUES"))

    for _ in range(20):
        begun.clear()
        task = asyncio.create_task(writes())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with engines.write.begin() as opened:
            assert (await opened.execute(text("SELECT count(*) FROM t"))).scalar_one() == 0
    await engines.dispose()
