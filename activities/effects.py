"""What a checked tool call does: the modes of `plangate.toolkit.Idempotency`, through the ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities import faults, ledger
from activities.breakers import Permit
from activities.catalogue import LoadedAgent
from activities.injection.tools import NO_FAULTS, NoFaults
from activities.invoking import LazyConnection, encode, invoke
from activities.ledger import Entry as LedgerEntry
from activities.ledger import LedgerState
from activities.scopes import load_scope
from activities.spending import Spending
from activities.storage.budgets import Line
from activities.storage.store import Store
from plangate import strictjson
from plangate.errors import ErrorKind, ErrorPayload, ErrorType, PlangateError
from plangate.faultplan import KillPoint
from plangate.tasks import ScopeEntry, ToolCall
from plangate.toolkit import Effect, Idempotency, Tool, ToolContext, ToolError

T = TypeVar("T")


@dataclass(frozen=True)
class Checked:
    """A call that may be made."""

    call: ToolCall
    agent: LoadedAgent
    tool: Tool
    args: BaseModel
    json_args: dict[str, Any]
    digest: str
    attempt: int
    permit: Permit
    lines: Sequence[Line] = ()
    """What it is to reserve of budgets."""


class Effects:
    """Makes checked calls.

    Args:
        store: The project's database.
        environ: Where agents' settings may be overridden.
        executor: Where sync tools run.
        spending: The budgets.
        injected: Faults on purpose; none by default.
    """

    def __init__(
        self,
        store: Store,
        *,
        environ: Mapping[str, str],
        executor: Executor,
        spending: Spending,
        injected: NoFaults = NO_FAULTS,
    ) -> None:
        self._spending = spending
        self._store, self._environ, self._executor, self._injected = store, environ, executor, injected
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def make(self, checked: Checked) -> str:
        """Make a call; its result as JSON, which is stored.

        Raises:
            AlreadyFailed: The ledger says that the effect failed for sure.
        """
        if checked.tool.settings.effect is Effect.CONSEQUENTIAL:
            text = await _to_the_end(self._in_turn(checked))
            self._at(KillPoint.BEFORE_COMPLETION, checked)
            return text
        return await self._plain(checked)

    def _at(self, point: KillPoint, checked: Checked) -> None:
        self._injected.at(point, checked.tool, checked.call)

    async def _plain(self, checked: Checked) -> str:
        """A call that changes nothing outside."""
        database = LazyConnection(self._store, write=checked.tool.settings.effect is Effect.WRITE)
        try:
            text = encode(checked.tool, await self._invoke(checked, cast(AsyncConnection, database)))
        except BaseException as error:
            await database.close(error)
            raise
        await database.close()
        call = checked.call
        await self._store.put_result(key=call.key, run=call.run, step=call.step, call=call.call, value_json=text)
        return text

    async def _in_turn(self, checked: Checked) -> str:
        """A consequential call. An attempt of its key that ran out of time but still works here is waited for."""
        turn = self._turns.setdefault(checked.call.key, asyncio.Lock())
        async with turn:
            self._at(KillPoint.BEFORE_INTENT, checked)
            if checked.tool.settings.idempotency is Idempotency.LEDGER:
                return await self._in_ledger(checked)
            return await self._beside_ledger(checked)

    async def _in_ledger(self, checked: Checked) -> str:
        """Effect, ledger row and use of the approval in one transaction."""
        try:
            async with self._store.transaction() as conn:
                known, _ = await self._claim(conn, checked)
                if known is not None:
                    return known
                self._at(KillPoint.AFTER_INTENT, checked)
                text = encode(checked.tool, await self._invoke(checked, conn))
                self._at(KillPoint.AFTER_EFFECT, checked)
                await self._keep(conn, checked, text)
        except PlangateError as error:
            if error.type.kind is ErrorKind.BUSINESS:
                await self._note_end(checked, LedgerState.FAILED, error)
            raise
        self._at(KillPoint.AFTER_COMMIT, checked)
        return text

    async def _beside_ledger(self, checked: Checked) -> str:
        """The intent is committed before the effect, the outcome after it."""
        known, entry = await self._store.together(lambda conn: self._claim(conn, checked))
        if known is not None:
            return known
        self._at(KillPoint.AFTER_INTENT, checked)
        looked = False
        try:
            value = None if entry.new else await self._read_back(checked)
            if value is None:
                looked = not entry.new and checked.tool.settings.idempotency is Idempotency.CHECK
                await self._be_alone(checked, entry)
                value = await self._invoke_reading(checked)
        except Exception as error:
            await self._note_failure(checked, error, first=entry.new, looked=looked)
            raise
        self._at(KillPoint.AFTER_EFFECT, checked)
        try:
            text = encode(checked.tool, value)
        except PlangateError as error:
            # No fallback and no revised plan may do it again: the call was made.
            unclear = PlangateError(
                f"the call was made, but {error.message}", type=ErrorType.OUTCOME_UNKNOWN, details=error.details
            )
            await self._note_end(checked, LedgerState.UNKNOWN, unclear)
            raise unclear from None
        await self._store.together(lambda conn: self._keep(conn, checked, text))
        self._at(KillPoint.AFTER_COMMIT, checked)
        return text

    async def _claim(self, conn: AsyncConnection, checked: Checked) -> tuple[str | None, LedgerEntry]:
        """The stored result when the effect is done already, else None: go on. And what the ledger has of it.

        Raises:
            AlreadyFailed: The effect failed for sure in an earlier attempt.
            OverBudget: A budget has no room for it.
        """
        mode = checked.tool.settings.idempotency
        entry = await ledger.claim(conn, checked.call, digest=checked.digest, mode=mode, attempt=checked.attempt)
        if entry.state is LedgerState.DONE:
            scope = await load_scope(self._store, {"result": ScopeEntry(stored=checked.call.key)})
            return strictjson.canonical(scope["result"]), entry
        if entry.state is LedgerState.FAILED and entry.error is not None:
            raise AlreadyFailed(entry.error)
        if entry.state is LedgerState.UNKNOWN:
            raise PlangateError("its outcome is unknown; a person decides", type=ErrorType.OUTCOME_UNKNOWN)
        if entry.new:
            await self._spending.reserve(conn, checked.call.key, checked.lines)
        return None, entry

    async def _read_back(self, checked: Checked) -> Any | None:
        """For `check` tools, after an attempt that ended without an answer: did it happen?"""
        read_back = checked.tool.read_back
        if checked.tool.settings.idempotency is not Idempotency.CHECK or read_back is None:
            return None
        try:
            context = self._context(checked, None)
            is_async = iscoroutinefunction(read_back)
            with checked.permit.watch(_type_of, _patience_of, answers=False):
                return await invoke(
                    read_back, checked.tool, checked.args, context, executor=self._executor, is_async=is_async
                )
        except Exception as error:
            if faults.classify(error)[0].kind is ErrorKind.TRANSIENT:
                raise
            raise PlangateError(
                f"an earlier attempt may have taken effect, and the read-back can't tell: {error}",
                type=ErrorType.OUTCOME_UNKNOWN,
            ) from None

    async def _be_alone(self, checked: Checked, entry: LedgerEntry) -> None:
        """Before a `check` tool sends: no other attempt may send too, for the far side would take both.

        An attempt whose worker stood still, and which Temporal has given up since, finds that another has begun, and
        ends. One that follows an attempt that never said how it ended gives that one its whole time limit first: its
        worker may be alive and only cut off from Temporal.

        Raises:
            ToolError: Transient: look again later.
            PlangateError: With type `Cancelled`: this attempt isn't the one that counts any more.
        """
        settings = checked.tool.settings
        if settings.idempotency is not Idempotency.CHECK:
            return
        if entry.orphan:
            said = "an attempt before this one broke off and may still be at work: it gets its time limit to end"
            raise ToolError(said, transient=True, retry_after=settings.timeout)
        async with self._store.reading() as conn:
            current = await ledger.is_current(conn, checked.call.key, attempt=checked.attempt)
        if not current:
            raise PlangateError("another attempt of this call has begun; this one sent nothing", type=_OVERTAKEN)

    async def _keep(self, conn: AsyncConnection, checked: Checked, text: str) -> None:
        call = checked.call
        await self._store.save_result(conn, key=call.key, run=call.run, step=call.step, call=call.call, value_json=text)
        await ledger.finish(conn, call.key, LedgerState.DONE)

    async def _note_end(self, checked: Checked, state: LedgerState, error: Exception) -> None:
        payload = faults.payload(error, tool=checked.tool.name, step=checked.call.step, attempt=checked.attempt)
        mode = checked.tool.settings.idempotency
        async with self._store.transaction() as conn:
            await ledger.claim(conn, checked.call, digest=checked.digest, mode=mode, attempt=checked.attempt)
            await ledger.finish(conn, checked.call.key, state, error=payload)
            await self._spending.give_back(conn, checked.call.key)

    async def _note_failure(self, checked: Checked, error: Exception, *, first: bool, looked: bool) -> None:
        """What an attempt's failure says of the effect.

        Args:
            checked: The call.
            error: How the attempt ended.
            first: Nobody tried before.
            looked: The read-back said just before that no earlier attempt took effect.

        Raises:
            PlangateError: With type `OutcomeUnknown`: this last attempt sent nothing, but an earlier one may have.
        """
        type_ = faults.classify(error)[0]
        last = checked.attempt >= checked.tool.policy().retries.max_attempts
        if type_.kind is ErrorKind.BUSINESS or type_ in _SURE:
            await self._note_end(checked, LedgerState.FAILED, error)
        elif type_ is ErrorType.OUTCOME_UNKNOWN:
            await self._note_end(checked, LedgerState.UNKNOWN, error)
        elif type_ in _NOT_SENT and (first or (looked and last)):
            async with self._store.transaction() as conn:
                await ledger.not_sent(conn, checked.call.key, attempt=checked.attempt)
                await self._spending.give_back(conn, checked.call.key)
        elif type_.kind is ErrorKind.TRANSIENT and last:
            await self._note_end(checked, LedgerState.UNKNOWN, error)
            if type_ in _NOT_SENT:
                message = f"an earlier attempt may have taken effect; the last one had no connection: {error}"
                raise PlangateError(message, type=ErrorType.OUTCOME_UNKNOWN) from error
        elif type_.kind is ErrorKind.TRANSIENT:
            async with self._store.transaction() as conn:
                await ledger.broke_off(conn, checked.call.key, attempt=checked.attempt)

    async def _invoke_reading(self, checked: Checked) -> Any:
        """With a connection for looking things up; what is done is done on the far side."""
        database = LazyConnection(self._store, write=False)
        try:
            value = await self._invoke(checked, cast(AsyncConnection, database))
        except BaseException as error:
            await database.close(error)
            raise
        with contextlib.suppress(Exception):  # it has only read; what was done on the far side stands
            await database.close()
        return value

    async def _invoke(self, checked: Checked, database: AsyncConnection | None) -> Any:
        tool = checked.tool
        context = self._context(checked, database)

        def work() -> Awaitable[Any]:
            return invoke(tool.function, tool, checked.args, context, executor=self._executor, is_async=tool.is_async)

        with checked.permit.watch(_type_of, _patience_of):
            return await self._injected.around(tool, checked.call, work)

    def _context(self, checked: Checked, database: AsyncConnection | None) -> ToolContext:
        call = checked.call
        return ToolContext(
            run=call.run,
            step=call.call,
            agent=call.agent,
            user=call.user,
            session=call.session,
            attempt=checked.attempt,
            idempotency_key=call.key,
            settings=checked.agent.tool_settings(self._environ),
            websites=tuple(checked.agent.scope.websites),
            database=database,
            heartbeat=activity.heartbeat,
        )


_SURE = frozenset({ErrorType.PERMANENT, ErrorType.AUTHENTICATION, ErrorType.QUOTA_EXHAUSTED})
"""Faults that are the far side's clear no: the call had no effect."""
_OVERTAKEN = ErrorType.CANCELLED
_NOT_SENT = frozenset({ErrorType.NETWORK, ErrorType.RATE_LIMITED})
"""Faults of attempts that had no effect; an earlier attempt may have had one."""


def _type_of(error: Exception) -> ErrorType:
    return faults.classify(error)[0]


def _patience_of(error: Exception) -> float | None:
    return faults.classify(error)[2]


class AlreadyFailed(Exception):
    """The ledger says that the effect failed for sure."""

    def __init__(self, error: ErrorPayload) -> None:
        super().__init__(error.message)
        self.error = error


async def _to_the_end(work: Awaitable[T]) -> T:
    """Finish a consequential call although it was cancelled: better a known outcome late than an unknown one."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                raise
