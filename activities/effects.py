"""Makes a checked tool call: the modes of `plangate.tool_policy.Idempotency`, through the ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping
from concurrent.futures import Executor
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import faults
from activities.checked import Checked
from activities.claims import Claimed
from activities.credentials.keeper import Credentials
from activities.credentials.lending import Lent
from activities.fencing import GaveUp, Held
from activities.injection.tools import NO_FAULTS, NoFaults
from activities.invoking import LazyConnection, encode, invoke
from activities.outcomes import Outcomes
from activities.spending import Spending
from activities.storage.store import Store
from plangate.errors import ErrorKind, ErrorType, PlangateError
from plangate.faults import KillPoint
from plangate.replies import ResponseDrift
from plangate.tool_context import ToolContext
from plangate.tool_policy import Effect, Idempotency

T = TypeVar("T")


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
        credentials: Credentials | None = None,
    ) -> None:
        self._credentials = credentials or Credentials(store)
        self._store, self._environ, self._executor, self._injected = store, environ, executor, injected
        self._outcomes = Outcomes(store, spending)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def make(self, checked: Checked) -> str:
        """Make a call; its result as JSON, which is stored.

        Raises:
            AlreadyFailed: The ledger says that the effect failed for sure.
            Held: An earlier attempt may still be under way; no call was made.
            OverBudget: A budget has no room for it.
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
        """A consequential call. An attempt of its key that still works in this process is waited for."""
        turn = self._turns.setdefault(checked.call.key, asyncio.Lock())
        async with turn:
            self._at(KillPoint.BEFORE_INTENT, checked)
            if checked.tool.settings.idempotency is Idempotency.LEDGER:
                return await self._in_ledger(checked)
            return await self._beside_ledger(checked)

    async def _in_ledger(self, checked: Checked) -> str:
        """Effect, ledger row and use of the approval in one transaction, within the attempt's time."""
        made: list[str] = []
        try:
            text = await self._within(checked, made)
        except Exception as error:
            if not made:
                raise
            text = await self._outcomes.committed(checked, made[0], error)
        self._at(KillPoint.AFTER_COMMIT, checked)
        return text

    async def _within(self, checked: Checked, made: list[str]) -> str:
        """The same; `made` has the result when nothing is left but the commit."""
        async with self._store.transaction() as conn:
            claimed = await self._outcomes.claim_within(conn, checked)
            if claimed.known is not None:
                return claimed.known
            self._at(KillPoint.AFTER_INTENT, checked)
            failure: PlangateError | None = None
            effect = await conn.begin_nested()
            try:
                text = encode(checked.tool, await self._invoke(checked, conn))
                self._at(KillPoint.AFTER_EFFECT, checked)
            except PlangateError as error:
                if error.type.kind is not ErrorKind.BUSINESS:
                    raise
                # The far side's no goes into the ledger before another attempt can get at the row.
                await effect.rollback()
                await self._outcomes.failed_within(conn, checked, claimed, error)
                failure = error
            else:
                await effect.commit()
                if not await self._outcomes.keep(conn, checked, claimed, text):
                    raise PlangateError("somebody else wrote its ledger row", type=ErrorType.BUG)
                if not checked.window.is_open:
                    raise GaveUp("its time was over before it was committed; it was rolled back")
                made.append(text)
        if failure is not None:
            raise failure
        return text

    async def _beside_ledger(self, checked: Checked) -> str:
        """The intent is committed before the effect, the outcome after it."""
        try:
            claimed = await self._outcomes.claim(checked)
        except Held as held:
            return await self._found_early(checked, held)
        if claimed.known is not None:
            return claimed.known
        self._at(KillPoint.AFTER_INTENT, checked)
        looked = False
        try:
            value = None if claimed.first else await self._read_back(checked)
            if value is None:
                if not claimed.first:
                    looked = checked.tool.settings.idempotency is Idempotency.CHECK
                    await self._outcomes.still_mine(checked, claimed)
                value = await self._invoke_reading(checked)
        except ResponseDrift as drift:
            value = await self._drifted(checked, claimed, drift, looked=looked)
        except Exception as error:
            failure = await self._outcomes.failed(checked, claimed, error, looked=looked)
            if failure is error:
                raise
            raise failure from error
        self._at(KillPoint.AFTER_EFFECT, checked)
        try:
            text = encode(checked.tool, value)
        except PlangateError as error:
            raise await self._outcomes.unclear(checked, claimed, error) from None
        text = await self._outcomes.happened(checked, claimed, text)
        self._at(KillPoint.AFTER_COMMIT, checked)
        return text

    async def _found_early(self, checked: Checked, held: Held) -> str:
        """While an earlier attempt may still be sending: what it sent already needs no waiting.

        Raises:
            Held: It isn't there, so far.
        """
        found = None
        with contextlib.suppress(Exception):  # that nobody can tell doesn't matter yet
            found = await self._read_back(checked)
        if found is None:
            raise held
        return await self._outcomes.found(checked, encode(checked.tool, found))

    async def _read_back(self, checked: Checked) -> Any | None:
        """For `check` tools, after an attempt that ended without an answer: did it happen?"""
        read_back = checked.tool.read_back
        if checked.tool.settings.idempotency is not Idempotency.CHECK or read_back is None:
            return None
        try:
            context, lent = self._context(checked, None)
            is_async = iscoroutinefunction(read_back)
            with checked.permit.watch(_type_of, _patience_of, answers=False):
                return await lent.through(
                    lambda: invoke(
                        read_back,
                        checked.tool,
                        checked.args,
                        context,
                        executor=self._executor,
                        is_async=is_async,
                        window=checked.window,
                    )
                )
        except Exception as error:
            if faults.classify(error)[0].kind is ErrorKind.TRANSIENT:
                raise
            raise PlangateError(
                f"an earlier attempt may have taken effect, and the read-back can't tell: {error}",
                type=ErrorType.OUTCOME_UNKNOWN,
            ) from None

    async def _drifted(self, checked: Checked, claimed: Claimed, drift: ResponseDrift, *, looked: bool) -> Any:
        """The far side's answer doesn't fit any more: what a `check` tool's read-back finds is what happened.

        Raises:
            PlangateError: With type `OutcomeUnknown`; the drift itself when the effect can't have happened.
        """
        if not drift.sent:
            raise await self._outcomes.failed(checked, claimed, drift, looked=looked)
        told: PlangateError = drift
        try:
            if (value := await self._read_back(checked)) is not None:
                return value
        except Exception as error:  # noqa: BLE001 - a read-back that can't tell leaves it unknown
            said = f"{drift.message}; then the read-back: {error}"
            told = PlangateError(said, type=drift.type, details=drift.details)
        raise await self._outcomes.unclear(checked, claimed, told) from None

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
        tool, (context, lent) = checked.tool, self._context(checked, database)
        executor, window = self._executor, checked.window

        def once() -> Awaitable[Any]:
            return invoke(
                tool.function, tool, checked.args, context, executor=executor, is_async=tool.is_async, window=window
            )

        def work() -> Awaitable[Any]:
            return lent.through(once, database)

        with checked.permit.watch(_type_of, _patience_of):
            return await self._injected.around(tool, checked.call, work)

    def _context(self, checked: Checked, database: AsyncConnection | None) -> tuple[ToolContext, Lent]:
        call, settings = checked.call, checked.agent.tool_settings(self._environ)
        lent = Lent(self._credentials, checked.agent, checked.tool, settings, sqlite=self._store.dialect == "sqlite")
        context = ToolContext(
            run=call.run,
            step=call.call,
            agent=call.agent,
            user=call.user,
            session=call.session,
            attempt=checked.attempt,
            idempotency_key=call.key,
            settings=settings,
            websites=tuple(checked.agent.scope.websites),
            database=database,
            heartbeat=lent.beat,
            deadline=checked.window.deadline(),
            seconds_left=lambda: checked.window.left,
            notice=checked.differences.extend,
            obtain=lent.get,
        )
        return context, lent


def _type_of(error: Exception) -> ErrorType:
    """For the dependency's circuit breaker: an attempt that gave up says nothing of it."""
    return ErrorType.CANCELLED if isinstance(error, GaveUp) else faults.classify(error)[0]


def _patience_of(error: Exception) -> float | None:
    return faults.classify(error)[2]


async def _to_the_end(work: Awaitable[T]) -> T:
    """Finish a consequential call although it was cancelled: better a known outcome late than an unknown one."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                raise
