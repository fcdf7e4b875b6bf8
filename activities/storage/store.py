"""`Store`: everything that activities write to and read from the project's database, apart from the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.batching import GroupCommit, Row, T, Work
from activities.storage.engine import BUSY_SECONDS, Engines, make_engines, missing_file
from activities.storage.schema import ensure_newest, require_newest
from activities.storage.statements import (
    dead_letter_row,
    decision_rows,
    gate_row,
    result_row,
    run_row,
    statements,
    verdict_rows,
)
from plangate.approvals import ApprovalRequest
from plangate.dead_letters import DeadLetter
from plangate.errors import ErrorType, PlangateError
from plangate.runs import Phase, RunRequest, Usage
from plangate.tasks import RecordTask

_KEYS_PER_QUERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """One model call: tokens, cost in USD (None when the price isn't known) and latency."""

    id: str
    """Chosen by the caller: the same id twice is one call."""
    run: str
    agent: str
    model: str
    task: str
    """What the call was for: `plan`, `answer`, `screen`, …"""
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    """Part of the input tokens."""
    cost_usd: float | None = None
    latency_ms: int = 0
    user: str | None = None
    session: str | None = None
    at: datetime
    forecast_tokens: int | None = None
    """What was expected before the call."""
    forecast_usd: float | None = None
    cached_calls: int = 0
    """1 when Plangate's own cache answered."""


class Store:
    """The project's database, for one event loop.

    Small writes are group-committed: each returns once its row is durable, and those that come at the same time share
    a transaction. `transaction()` is for what has to commit together, such as an effect and its ledger row.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._sql = statements(engines.write.dialect.name)
        self._one_writer = asyncio.Lock() if engines.sqlite else None
        self._group = GroupCommit(self.transaction)
        self._before_close: list[Callable[[], Awaitable[None]]] = []

    @classmethod
    async def open(cls, url: str, *, pool_size: int = 10, upgrade: bool = False) -> Store:
        """Connect to the database.

        Args:
            url: `sqlite:///…` or `postgresql://…`.
            pool_size: Connections at most.
            upgrade: Migrate first; otherwise the schema has to be the newest.

        Raises:
            InvalidInput: The URL can't be used.
            PlangateError: There is no database, it can't be reached, or its schema isn't this version's.
        """
        if upgrade:
            await ensure_newest(url)
        elif file := missing_file(url):
            raise PlangateError(
                f"there is no database at {file}: start everything with `plangate up`, "
                "or name its data folder with --data or PLANGATE_DATA",
                type=ErrorType.UNAVAILABLE,
            )
        engines = make_engines(url, pool_size=pool_size)
        try:
            await require_newest(engines.read, url)
        except BaseException:
            await engines.dispose()
            raise
        return cls(engines)

    async def close(self) -> None:
        """Commit what waits and close every connection."""
        for write in self._before_close:
            await write()
        await self._group.close()
        await self._engines.dispose()

    def before_close(self, write: Callable[[], Awaitable[None]]) -> None:
        """Have something written that somebody keeps back until then."""
        self._before_close.append(write)

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def engines(self) -> Engines:
        """What it is connected by."""
        return self._engines

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engines.write.dialect.name

    @property
    def engine_dialect(self) -> Dialect:
        """SQLAlchemy's dialect of the database."""
        return self._engines.write.dialect

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: commits when it is left, rolls back on an exception.

        SQLite has one writer. Inside it, don't await another write of the same store: it would wait for this one.

        Raises:
            PlangateError: With type `Unavailable`, when the writer's turn doesn't come in time.
        """
        if self._one_writer is None:
            async with self._engines.write.begin() as connection:
                yield connection
            return
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._one_writer.acquire()
        except TimeoutError:
            raise PlangateError(
                f"another transaction of this process kept the database's writer busy for {BUSY_SECONDS:.0f} seconds",
                type=ErrorType.UNAVAILABLE,
            ) from None
        try:
            async with self._engines.write.begin() as connection:
                yield connection
        finally:
            self._one_writer.release()

    async def together(self, work: Work[T]) -> T:
        """Do short work in a write transaction; on SQLite it shares one with what others write at the same time.

        Args:
            work: Awaits nothing but its connection. It may be done twice, the first time without effect.

        Raises:
            Exception: What the work raised (it is rolled back then), or the database.
        """
        if self._one_writer is not None:
            return await self._group.together(work)
        async with self.transaction() as connection:
            return await work(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read from. Each statement sees what is committed when it starts."""
        async with self._engines.read.connect() as connection:
            yield connection

    # --- runs, gates, decisions ---

    async def open_run(self, run: str, request: RunRequest, *, agent_version: str, at: datetime) -> None:
        """Note that a run began; once more changes nothing."""
        row = {
            "run": run,
            "agent": request.agent,
            "agent_version": agent_version,
            "user": request.user,
            "session": request.session,
            "request": request.request,
            "phase": Phase.ADMITTING.value,
            "started_at": at,
        }
        await self._group.write([(self._sql.open_run, row)])

    async def open_gate(self, gate: ApprovalRequest) -> None:
        """Note that a gate opened; once more changes nothing."""
        await self._group.write([(self._sql.open_gate, gate_row(gate))])

    async def record(self, task: RecordTask, *, letter: DeadLetter | None = None) -> None:
        """Note a run's end, its gates and what became of decisions, together; safe to repeat.

        With a dead letter, effects of the run that are still intended become unknown: nobody will hear of them.
        """
        rows: list[Row] = []
        if task.result is not None:
            now = datetime.now(UTC)
            rows.append((self._sql.end_run, run_row(task.result, now=now)))
            rows += [(self._sql.add_verdict, row) for row in verdict_rows(task.result, now=now)]
        if letter is not None:
            rows += self.dead_letter_rows(letter)
        rows += [(self._sql.settle_gate, gate_row(gate)) for gate in task.gates]
        rows += [(self._sql.add_decision, row) for row in decision_rows(task.run, task.receipts)]
        await self._group.write(rows)

    def dead_letter_rows(self, letter: DeadLetter) -> list[Row]:
        """What a dead letter writes; safe to repeat."""
        now = datetime.now(UTC)
        runs = [letter.run, *(letter.run_state.resumed_from if letter.run_state else [])]
        unsure: list[Row] = [(self._sql.doubt_effects, {"of_run": run, "at": now}) for run in runs]
        return [(self._sql.add_dead_letter, dead_letter_row(letter)), *unsure]

    # --- results by reference ---

    async def save_result(
        self, conn: AsyncConnection, *, key: str, run: str, step: str, call: str, value_json: str
    ) -> None:
        """Store a call's result within the caller's transaction."""
        row = result_row(key=key, run=run, step=step, call=call, value_json=value_json)
        await conn.execute(self._sql.save_result, row)

    async def put_result(self, *, key: str, run: str, step: str, call: str, value_json: str) -> None:
        """Store a call's result; returns when it is committed."""
        row = result_row(key=key, run=run, step=step, call=call, value_json=value_json)
        await self._group.write([(self._sql.save_result, row)])

    async def load_results(self, keys: Sequence[str]) -> dict[str, Any]:
        """Stored results by key, decoded. A key without a result is missing from the answer."""
        columns = (tables.results.c.key, tables.results.c.value_json)
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Any] = {}
        if not wanted:
            return found
        async with self.reading() as connection:
            for start in range(0, len(wanted), _KEYS_PER_QUERY):
                part = wanted[start : start + _KEYS_PER_QUERY]
                rows = await connection.execute(select(*columns).where(tables.results.c.key.in_(part)))
                found.update((row.key, json.loads(row.value_json)) for row in rows)
        return found

    # --- usage ---

    async def add_usage(self, row: UsageRow) -> None:
        """Note a model call; the same id once more changes nothing."""
        await self._group.write([(self._sql.add_usage, asdict(row))])

    async def save_usage(self, conn: AsyncConnection, row: UsageRow) -> None:
        """Note a model call within the caller's transaction; the same id once more changes nothing."""
        await conn.execute(self._sql.add_usage, asdict(row))

    async def usage_of_run(self, run: str) -> Usage:
        """Tokens and cost of a run so far, by what was recorded."""
        used = tables.usage.c
        query = (
            select(
                used.model,
                func.count().label("calls"),
                func.sum(used.input_tokens).label("input_tokens"),
                func.sum(used.output_tokens).label("output_tokens"),
                func.sum(used.cost_usd).label("cost_usd"),
                (func.count() - func.count(used.cost_usd)).label("unpriced_calls"),
                func.sum(used.cached_calls).label("cached_calls"),
            )
            .where(used.run == run)
            .group_by(used.model)
            .order_by(func.min(used.at), used.model)
        )
        total = Usage()
        async with self.reading() as connection:
            for row in await connection.execute(query):
                total = total.plus(
                    Usage(
                        calls=row.calls,
                        input_tokens=row.input_tokens,
                        output_tokens=row.output_tokens,
                        cost_usd=row.cost_usd or 0.0,
                        unpriced_calls=row.unpriced_calls,
                        models=[row.model],
                        cached_calls=row.cached_calls or 0,
                    )
                )
        return total
