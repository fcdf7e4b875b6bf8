"""Faults of the database on purpose: injected below SQLAlchemy, so that all above meets what a driver would say."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import asyncpg
from sqlalchemy.engine import Dialect
from sqlalchemy.util import await_only

from activities.injection.injector import Injector
from activities.storage.engine import Engines
from plangate.faultplan import FaultRule
from plangate.faults import Fault

DATABASE = frozenset({"database"})
_READS = ("SELECT", "PRAGMA", "SHOW", "VALUES", "EXPLAIN")
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE")
SHOWN = 120
"""Characters of a statement in the journal."""


def inject_into(engines: Engines, injector: Injector) -> None:
    """Let statements and commits of these engines go wrong by the plan."""
    if injector.plan.concerns(*DATABASE):
        for dialect in {id(engine.dialect): engine.dialect for engine in (engines.write, engines.read)}.values():
            _Faulty(dialect, injector)


def kind_of(statement: str) -> str:
    """`read` or `write`: the beginning of a transaction is a write, since it may have to wait for its turn."""
    words = statement.upper().split()
    if not words or words[0] in _READS:
        return "read"
    if words[0] == "WITH":
        return "write" if any(word in _WRITES for word in words) else "read"
    return "write"


class _Faulty:
    """Stands between a dialect and its driver."""

    def __init__(self, dialect: Dialect, injector: Injector) -> None:
        self._injector = injector
        self._postgres: Any = None if dialect.name == "sqlite" else dialect
        self._down_until = 0.0
        changed: Any = dialect
        changed.do_execute = self._before(dialect.do_execute)
        changed.do_executemany = self._before(dialect.do_executemany)
        changed.do_execute_no_params = self._before(dialect.do_execute_no_params)
        changed.do_commit = self._around_commit(dialect.do_commit)

    def _before(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(cursor: Any, statement: str, *rest: Any, **options: Any) -> Any:
            connection = getattr(cursor, "_adapt_connection", None)
            if time.monotonic() < self._down_until:
                self._fail(Fault.UNREACHABLE, connection)
            text = " ".join(statement.split())
            rule = self._injector.pick(
                DATABASE, kind_of(statement), {"contains": text}, about={"statement": text[:SHOWN]}
            )
            if rule is not None:
                self._strike(rule, connection)
            return execute(cursor, statement, *rest, **options)

        return faulty

    def _around_commit(self, commit: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(pooled: Any) -> None:
            connection = getattr(pooled, "dbapi_connection", pooled)
            if time.monotonic() < self._down_until:
                self._fail(Fault.UNREACHABLE, connection)
            rule = self._injector.pick(DATABASE, "commit")
            after = rule is not None and rule.fault in (Fault.COMMIT_LATE, Fault.COMMIT_LOST)
            if rule is not None and not after:
                self._strike(rule, connection)
            commit(pooled)
            if rule is not None and after:
                self._strike(rule, connection)

        return faulty

    def _strike(self, rule: FaultRule, connection: Any) -> None:
        if rule.fault in (Fault.SLOW, Fault.COMMIT_LATE):
            await_only(asyncio.sleep(rule.delay))
            return
        if rule.fault is Fault.UNREACHABLE:
            self._down_until = time.monotonic() + rule.delay
        self._fail(rule.fault, connection)

    def _fail(self, fault: Fault, connection: Any) -> None:
        if self._postgres is None:
            raise sqlite3.OperationalError(_SQLITE[fault])
        if fault in (Fault.UNREACHABLE, Fault.COMMIT_LOST):
            connection._connection.terminate()
        connection._handle_exception(_POSTGRES[fault]())  # the driver's own translation; always raises


_SQLITE = {
    Fault.UNREACHABLE: "unable to open database file",
    Fault.DISK_FULL: "database or disk is full",
    Fault.CONFLICT: "database is locked",
    Fault.COMMIT_LOST: "disk I/O error",
}
_POSTGRES: dict[Fault, Callable[[], Exception]] = {
    Fault.UNREACHABLE: lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    Fault.DISK_FULL: lambda: asyncpg.DiskFullError("could not extend file: No space left on device"),
    Fault.CONFLICT: lambda: asyncpg.SerializationError("could not serialize access due to concurrent update"),
    Fault.COMMIT_LOST: lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
}
