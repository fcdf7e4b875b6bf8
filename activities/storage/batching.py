"""Group commit: the small writes of one process share transactions.

A commit costs far more than a row. While one batch commits, the next one gathers; a lone write waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

MAX_BATCH = 500
"""Writes in one transaction at most: other processes want the database too."""

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
"""Statements that depend on each other, within a transaction. It awaits nothing but the connection."""

Row = tuple[Executable, Mapping[str, Any]]
"""A statement and its parameters. Rows of one statement in a batch go to the database together."""


@dataclass(slots=True)
class _Write:
    rows: Sequence[Row] = ()
    work: Work[Any] | None = None
    value: Any = None
    """What the work gave in the latest attempt."""
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def finish(self, error: BaseException | None = None) -> None:
        if self.done.done():
            return  # its caller was cancelled
        if isinstance(error, _WorkFailed):
            error = error.error
        if error is None:
            self.done.set_result(self.value)
        else:
            self.done.set_exception(error)


class GroupCommit:
    """One task that commits what many callers write.

    Writes have to be safe to repeat: after a failure each is tried on its own, so that one bad write fails alone.

    Args:
        begin: Opens a write transaction that commits when it is left.
    """

    def __init__(self, begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        self._begin = begin
        self._waiting: list[_Write] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._task = asyncio.create_task(self._work(), name="plangate-group-commit")

    async def write(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none; returns when they are committed.

        A cancelled caller doesn't take its write back.

        Raises:
            SQLAlchemyError: What the database said.
            RuntimeError: The store is closed.
        """
        if rows:
            await self._take(_Write(rows))

    async def together(self, work: Work[T]) -> T:
        """Do work in a transaction that it shares with others; returns what it gave when that is committed.

        Work that raises is rolled back alone. It may be done twice, the first time without effect.

        Raises:
            Exception: What the work raised, or the database.
            RuntimeError: The store is closed.
        """
        value: T = await self._take(_Write(work=work))
        return value

    async def _take(self, write: _Write) -> Any:
        if self._closed:
            raise RuntimeError("the store is closed")
        self._waiting.append(write)
        self._wake.set()
        return await write.done

    async def close(self) -> None:
        """Commit what waits, then end."""
        self._closed = True
        self._wake.set()
        await self._task

    async def _work(self) -> None:
        while self._waiting or not self._closed:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                try:
                    await self._commit(batch)
                except BaseException as error:
                    _finish(batch, error)
                    if not isinstance(error, Exception):
                        raise

    async def _commit(self, batch: Sequence[_Write]) -> None:
        error = await self._attempt(batch)
        if error is not None and _connection_lost(error):
            error = await self._attempt(batch)  # a pooled connection whose server went away; the next one is new
        if error is None or len(batch) == 1 or not _is_about_a_row(error):
            _finish(batch, error)
            return
        for position, write in enumerate(batch):
            alone = await self._attempt([write])
            if alone is not None and not _is_about_a_row(alone):
                _finish(batch[position:], alone)
                return
            write.finish(alone)

    async def _attempt(self, batch: Sequence[_Write]) -> Exception | None:
        try:
            async with self._begin() as connection:
                for statement, rows in _by_statement(batch):
                    await connection.execute(statement, rows)
                for write in batch:
                    if write.work is not None:
                        write.value = await _done(write.work, connection)
        except _WorkFailed as failed:
            return failed
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, who get it
            return error
        return None


class _WorkFailed(Exception):
    """One write's work raised; the others of its batch are not to blame."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


async def _done(work: Work[Any], connection: AsyncConnection) -> Any:
    try:
        return await work(connection)
    except OperationalError:
        raise
    except Exception as error:
        raise _WorkFailed(error) from error


def _finish(batch: Sequence[_Write], error: BaseException | None) -> None:
    for write in batch:
        write.finish(error)


def _by_statement(batch: Sequence[_Write]) -> list[tuple[Executable, list[Mapping[str, Any]]]]:
    grouped: dict[int, tuple[Executable, list[Mapping[str, Any]]]] = {}
    for write in batch:
        for statement, row in write.rows:
            grouped.setdefault(id(statement), (statement, []))[1].append(row)
    return list(grouped.values())


def _is_about_a_row(error: Exception) -> bool:
    """Whether the fault may be one row's, not the database's: locked, full or away fails all alike."""
    if isinstance(error, _WorkFailed):
        return not _connection_lost(error.error)
    return isinstance(error, StatementError) and not isinstance(error, OperationalError) and not _connection_lost(error)


def _connection_lost(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated
