"""The activity behind every tool: checks again what policy and people said, calls the tool, keeps its result.

Its Temporal type is the tool's name, so that the timeline reads like the plan. A consequential call goes through the
ledger; the modes are those of `plangate.toolkit.Idempotency`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import structlog
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities import faults, ledger
from activities.binding import bind_arguments
from activities.breakers import Breakers, Permit, Refusal
from activities.catalogue import Catalogue, LoadedAgent
from activities.invoking import LazyConnection, as_result, encode, invoke
from activities.ledger import LedgerState
from activities.models.beats import Beats
from activities.scopes import load_scope
from activities.storage.store import Store
from plangate import strictjson
from plangate.errors import ErrorKind, ErrorPayload, ErrorType, PlangateError
from plangate.policy import Action
from plangate.redaction import redacted
from plangate.runs import CallResult, Result, ScopeEntry, ToolCall
from plangate.toolkit import Effect, Idempotency, RetrySettings, Tool, ToolContext

log = structlog.get_logger("plangate.tools")
T = TypeVar("T")


@dataclass(frozen=True)
class _Checked:
    """A call that may be made."""

    call: ToolCall
    agent: LoadedAgent
    tool: Tool
    args: BaseModel
    json_args: dict[str, Any]
    digest: str
    attempt: int
    permit: Permit


class ToolActivities:
    """Tool calls.

    Args:
        catalogue: The agents that this worker serves.
        store: The project's database.
        environ: Where agents' settings may be overridden.
        executor: Where sync tools run.
        breakers: What is known of the tools' dependencies.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        *,
        environ: Mapping[str, str] | None = None,
        executor: Executor | None = None,
        breakers: Breakers | None = None,
    ) -> None:
        self._catalogue, self._store = catalogue, store
        self._breakers = breakers or Breakers(store)
        self._environ = os.environ if environ is None else environ
        self._executor = executor or ThreadPoolExecutor(max_workers=64, thread_name_prefix="tool")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @activity.defn(dynamic=True)
    async def call_tool(self, raw: Sequence[RawValue]) -> CallResult:
        """Make one call.

        Raises:
            ApplicationError: With an `ErrorPayload`; retryable for transient faults.
        """
        call: ToolCall = activity.payload_converter().from_payload(raw[0].payload, ToolCall)
        attempt, began = activity.info().attempt, time.perf_counter()
        result: CallResult | None = None
        error: ErrorPayload | None = None
        try:
            with Beats():
                checked = await self._check(call, attempt)
                result = await self._unless_down(checked)
            error = result.error
            return result
        except ApplicationError as failure:
            error = failure.details[0] if failure.details else None
            raise
        finally:
            _log(call, attempt, time.perf_counter() - began, result, error)

    async def _check(self, call: ToolCall, attempt: int) -> _Checked:
        """Everything that the workflow was told, checked again against what is about to be done."""
        try:
            agent = self._catalogue.get(call.agent)
            tool = agent.tool(call.tool)
            given = call.args
            if call.args_key:
                scope = await load_scope(self._store, {"args": ScopeEntry(stored=call.args_key)})
                given = scope["args"]
            args = bind_arguments(tool, given)
            digest = strictjson.digest(args)
            if call.digest and call.digest != digest:
                raise PlangateError("the arguments are not those that were bound", type=ErrorType.NOT_APPROVED)
            verdict = agent.verdict(tool.name, args)
            if verdict.action is Action.BLOCK:
                raise PlangateError(f"not allowed: {verdict.reason}", type=ErrorType.BLOCKED)
            if verdict.action is Action.ASK or call.grant is not None:
                check_grant(call, tool, agent_version=agent.version, digest=digest)
        except Exception as failure:  # noqa: BLE001 - every fault gets its type
            raise self._failure(failure, call, attempt, None) from None
        permit = Permit(tool.dependency)
        return _Checked(call, agent, tool, tool.arguments.model_validate(given), args, digest, attempt, permit)

    async def _unless_down(self, checked: _Checked) -> CallResult:
        """Make the call, unless its dependency is down and the ledger doesn't know its end anyway."""
        settings = checked.tool.settings
        permit = await self._breakers.ask(checked.tool.dependency, seconds=settings.timeout)
        if isinstance(permit, Refusal):
            state: LedgerState | None = None
            if settings.effect is Effect.CONSEQUENTIAL:
                async with self._store.reading() as conn:
                    state = await ledger.state_of(conn, checked.call.key)
            if state in (None, LedgerState.INTENDED, LedgerState.RESOLVED):
                return CallResult(
                    blocked_until=permit.until,
                    reason=permit.why,
                    dependency=permit.dependency,
                    in_doubt=state is LedgerState.INTENDED,
                )
            permit = Permit(checked.tool.dependency)
        try:
            return await self._make(replace(checked, permit=permit))
        finally:
            await self._breakers.settle(permit)

    async def _make(self, checked: _Checked) -> CallResult:
        consequential = checked.tool.settings.effect is Effect.CONSEQUENTIAL
        try:
            text = await (_to_the_end(self._in_turn(checked)) if consequential else self._plain(checked))
        except _AlreadyFailed as failed:
            return CallResult(error=failed.error)
        except Exception as failure:  # noqa: BLE001 - every fault gets its type
            payload = faults.payload(
                failure, tool=checked.tool.name, step=checked.call.step, args=checked.json_args, attempt=checked.attempt
            )
            if payload.type.kind is ErrorKind.BUSINESS:
                return CallResult(error=payload)
            raise self._failure(failure, checked.call, checked.attempt, checked) from None
        return CallResult(result=as_result(checked.call.key, text))

    async def _plain(self, checked: _Checked) -> str:
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

    async def _in_turn(self, checked: _Checked) -> str:
        """A consequential call. An attempt of its key that ran out of time but still works here is waited for."""
        turn = self._turns.setdefault(checked.call.key, asyncio.Lock())
        async with turn:
            if checked.tool.settings.idempotency is Idempotency.LEDGER:
                return await self._in_ledger(checked)
            return await self._beside_ledger(checked)

    async def _in_ledger(self, checked: _Checked) -> str:
        """Effect, ledger row and use of the approval in one transaction."""
        try:
            async with self._store.transaction() as conn:
                known, _ = await self._claim(conn, checked)
                if known is None:
                    text = encode(checked.tool, await self._invoke(checked, conn))
                    await self._keep(conn, checked, text)
                    return text
        except PlangateError as error:
            if error.type.kind is ErrorKind.BUSINESS:
                await self._note_end(checked, LedgerState.FAILED, error)
            raise
        return known

    async def _beside_ledger(self, checked: _Checked) -> str:
        """The intent is committed before the effect, the outcome after it."""
        async with self._store.transaction() as conn:
            known, first = await self._claim(conn, checked)
        if known is not None:
            return known
        try:
            found = None if first else await self._read_back(checked)
            value = found if found is not None else await self._invoke(checked, None)
        except Exception as error:
            await self._note_failure(checked, error, first=first)
            raise
        try:
            text = encode(checked.tool, value)
        except PlangateError as error:
            # No fallback and no revised plan may do it again: the call was made.
            unclear = PlangateError(
                f"the call was made, but {error.message}", type=ErrorType.OUTCOME_UNKNOWN, details=error.details
            )
            await self._note_end(checked, LedgerState.UNKNOWN, unclear)
            raise unclear from None
        async with self._store.transaction() as conn:
            await self._keep(conn, checked, text)
        return text

    async def _claim(self, conn: AsyncConnection, checked: _Checked) -> tuple[str | None, bool]:
        """The stored result when the effect is done already, else None: go on. And whether nobody tried before.

        Raises:
            _AlreadyFailed: The effect failed for sure in an earlier attempt.
        """
        mode = checked.tool.settings.idempotency
        entry = await ledger.claim(conn, checked.call, digest=checked.digest, mode=mode, attempt=checked.attempt)
        if entry.state is LedgerState.DONE:
            scope = await load_scope(self._store, {"result": ScopeEntry(stored=checked.call.key)})
            return strictjson.canonical(scope["result"]), False
        if entry.state is LedgerState.FAILED and entry.error is not None:
            raise _AlreadyFailed(entry.error)
        if entry.state is LedgerState.UNKNOWN:
            raise PlangateError("its outcome is unknown; a person decides", type=ErrorType.OUTCOME_UNKNOWN)
        return None, entry.new

    async def _read_back(self, checked: _Checked) -> Any | None:
        """For `check` tools, after an attempt that ended without an answer: did it happen?"""
        read_back = checked.tool.read_back
        if checked.tool.settings.idempotency is not Idempotency.CHECK or read_back is None:
            return None
        try:
            context = self._context(checked, None)
            is_async = iscoroutinefunction(read_back)
            with checked.permit.watch(_type_of):
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

    async def _keep(self, conn: AsyncConnection, checked: _Checked, text: str) -> None:
        call = checked.call
        await self._store.save_result(conn, key=call.key, run=call.run, step=call.step, call=call.call, value_json=text)
        await ledger.finish(conn, call.key, LedgerState.DONE)

    async def _note_end(self, checked: _Checked, state: LedgerState, error: Exception) -> None:
        payload = faults.payload(error, tool=checked.tool.name, step=checked.call.step, attempt=checked.attempt)
        mode = checked.tool.settings.idempotency
        async with self._store.transaction() as conn:
            await ledger.claim(conn, checked.call, digest=checked.digest, mode=mode, attempt=checked.attempt)
            await ledger.finish(conn, checked.call.key, state, error=payload)

    async def _note_failure(self, checked: _Checked, error: Exception, *, first: bool) -> None:
        """What an attempt's failure says of the effect.

        Raises:
            PlangateError: With type `OutcomeUnknown`: this last attempt sent nothing, but an earlier one may have.
        """
        type_ = faults.classify(error)[0]
        last = checked.attempt >= checked.tool.policy().retries.max_attempts
        if type_.kind is ErrorKind.BUSINESS or type_ in _SURE:
            await self._note_end(checked, LedgerState.FAILED, error)
        elif type_ is ErrorType.OUTCOME_UNKNOWN:
            await self._note_end(checked, LedgerState.UNKNOWN, error)
        elif type_ in _NOT_SENT and first:
            async with self._store.transaction() as conn:
                await ledger.not_sent(conn, checked.call.key, attempt=checked.attempt)
        elif type_.kind is ErrorKind.TRANSIENT and last:
            await self._note_end(checked, LedgerState.UNKNOWN, error)
            if type_ in _NOT_SENT:
                message = f"an earlier attempt may have taken effect; the last one had no connection: {error}"
                raise PlangateError(message, type=ErrorType.OUTCOME_UNKNOWN) from error

    async def _invoke(self, checked: _Checked, database: AsyncConnection | None) -> Any:
        tool = checked.tool
        context = self._context(checked, database)
        with checked.permit.watch(_type_of):
            return await invoke(
                tool.function, tool, checked.args, context, executor=self._executor, is_async=tool.is_async
            )

    def _context(self, checked: _Checked, database: AsyncConnection | None) -> ToolContext:
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
            database=database,
            heartbeat=activity.heartbeat,
        )

    def _failure(self, error: Exception, call: ToolCall, attempt: int, checked: _Checked | None) -> ApplicationError:
        args = checked.json_args if checked else call.args
        payload = faults.payload(error, tool=call.tool, step=call.step, args=args, attempt=attempt)
        if payload.type is ErrorType.BUG:
            log.error("tool raised an unexpected error", tool=call.tool, run=call.run, exc_info=error)
        retries = checked.tool.policy().retries if checked else _NO_SETTINGS
        return faults.application_error(error, payload, retries=retries)


_NO_SETTINGS = RetrySettings()
_SURE = frozenset({ErrorType.PERMANENT, ErrorType.AUTHENTICATION, ErrorType.QUOTA_EXHAUSTED})
"""Faults that are the far side's clear no: the call had no effect."""
_NOT_SENT = frozenset({ErrorType.NETWORK, ErrorType.RATE_LIMITED})
"""Faults of attempts that had no effect; an earlier attempt may have had one."""


def _type_of(error: Exception) -> ErrorType:
    return faults.classify(error)[0]


class _AlreadyFailed(Exception):
    """The ledger says that the effect failed for sure."""

    def __init__(self, error: ErrorPayload) -> None:
        super().__init__(error.message)
        self.error = error


def check_grant(call: ToolCall, tool: Tool, *, agent_version: str, digest: str) -> None:
    """Does the approval hold for exactly this call?

    Raises:
        PlangateError: With type `NotApproved`.
    """
    grant = call.grant
    if grant is None:
        raise PlangateError("the scope asks for an approval and there is none", type=ErrorType.NOT_APPROVED)
    given_in = call.run if grant.run in call.resumed_from else grant.run
    approved = (given_in, grant.call, grant.tool, grant.tool_version, grant.agent_version, grant.digest)
    about_to = (call.run, call.call, tool.name, tool.version, agent_version, digest)
    names = ("run", "call", "tool", "version of the tool", "version of the agent", "arguments")
    wrong = [name for name, old, new in zip(names, approved, about_to, strict=True) if old != new]
    if wrong:
        raise PlangateError(
            f"the approval {grant.approval} is for another {', '.join(wrong)}; ask again", type=ErrorType.NOT_APPROVED
        )


async def _to_the_end(work: Awaitable[T]) -> T:
    """Finish a consequential call although it was cancelled: better a known outcome late than an unknown one."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                raise


def _log(call: ToolCall, attempt: int, seconds: float, result: CallResult | None, error: ErrorPayload | None) -> None:
    size = result.result.size if result is not None and isinstance(result.result, Result) else None
    log.info(
        "tool call",
        tool=call.tool,
        run=call.run,
        call=call.call,
        agent=call.agent,
        user=call.user,
        session=call.session,
        attempt=attempt,
        latency_ms=round(seconds * 1000, 1),
        success=error is None and result is not None and result.blocked_until is None,
        blocked_until=result.blocked_until if result is not None else None,
        input=redacted(call.args),
        output_bytes=size,
        error=error.type.value if error else None,
    )
