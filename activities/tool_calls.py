"""The activity behind every tool: checks again what policy and people said, calls the tool, keeps its result.

Its Temporal type is the tool's name, so that the timeline reads like the plan. A consequential call goes through the
ledger; the modes are those of `plangate.tool_policy.Idempotency`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import structlog
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities import faults, ledger
from activities.binding import call_of
from activities.breakers import Breakers, Permit, Refusal
from activities.catalogue import Catalogue
from activities.checked import AlreadyFailed, Checked
from activities.credentials.keeper import Credentials
from activities.doubts import weighed
from activities.drifts import Drifts
from activities.effects import Effects
from activities.fencing import OF_LIMIT, Held, Window
from activities.guardrails import registry
from activities.guardrails.judging import judge_call
from activities.injection.tools import NO_FAULTS, NoFaults
from activities.invoking import as_result
from activities.ledger import LedgerState
from activities.models.beats import Beats
from activities.pacing import Pacing, Taken
from activities.permitting import check_verdicts, refused
from activities.scopes import load_scope
from activities.spending import OverBudget, Spending
from activities.storage.store import Store
from plangate import strictjson
from plangate.errors import ErrorKind, ErrorPayload, ErrorType, PlangateError
from plangate.pacing import Asking, Wait
from plangate.redaction import redacted
from plangate.runs import Result
from plangate.tasks import CallResult, ScopeEntry, ToolCall
from plangate.tool_policy import Effect, RetrySettings
from plangate.toolkit import Tool

log = structlog.get_logger("plangate.tools")
T = TypeVar("T")
_LEASE_SLACK = 10.0
"""Seconds after a call's time limit when its worker counts as dead."""


class ToolActivities:
    """Tool calls.

    Args:
        catalogue: The agents that this worker serves.
        store: The project's database.
        environ: Where agents' settings may be overridden.
        executor: Where sync tools run.
        breakers: What is known of the tools' dependencies.
        spending: The budgets.
        injected: Faults on purpose; none by default.
        pacing: Whose turn it is, where they have limits.
        credentials: What the tools' credentials are.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        *,
        environ: Mapping[str, str] | None = None,
        executor: Executor | None = None,
        breakers: Breakers | None = None,
        spending: Spending | None = None,
        injected: NoFaults = NO_FAULTS,
        pacing: Pacing | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._catalogue, self._store = catalogue, store
        self._breakers, self._pacing = breakers or Breakers(store), pacing or Pacing(store)
        self._spending, self._drifts = spending or Spending(store), Drifts(store)
        self._effects = Effects(
            store,
            environ=os.environ if environ is None else environ,
            executor=executor or ThreadPoolExecutor(max_workers=64, thread_name_prefix="tool"),
            spending=self._spending,
            injected=injected,
            credentials=credentials,
        )

    @activity.defn(dynamic=True)
    async def call_tool(self, raw: Sequence[RawValue]) -> CallResult:
        """Make one call.

        Raises:
            ApplicationError: With an `ErrorPayload`; retryable for transient faults.
        """
        call: ToolCall = activity.payload_converter().from_payload(raw[0].payload, ToolCall)
        attempt, began = activity.info().attempt + call.failed, time.perf_counter()
        result: CallResult | None = None
        error: ErrorPayload | None = None
        try:
            with Beats():
                checked = await self._check(call, attempt)
                result = await self._when_free(checked)
            error = result.error
            return result
        except ApplicationError as failure:
            error = failure.details[0] if failure.details else None
            raise
        finally:
            _log(call, attempt, time.perf_counter() - began, result, error)

    async def _check(self, call: ToolCall, attempt: int) -> Checked:
        """Everything that the workflow was told, checked again against what is about to be done."""
        began = time.monotonic()
        try:
            agent = self._catalogue.get(call.agent)
            tool = agent.tool(call.tool)
            given = call.args
            if call.args_key:
                scope = await load_scope(self._store, {"args": ScopeEntry(stored=call.args_key)})
                given = scope["args"]
            called = call_of(agent, tool, given, call)
            verdicts = await judge_call(called, registry.ACTION)
            if called.mistakes is not None:
                raise refused(called.mistakes, verdicts)
            args = dict(called.args)
            digest = strictjson.digest(args)
            if call.digest and call.digest != digest:
                raise PlangateError("the arguments are not those that were bound", type=ErrorType.NOT_APPROVED)
            check_verdicts(call, tool, verdicts, agent_version=agent.version, digest=digest)
            consequential = tool.settings.effect is Effect.CONSEQUENTIAL
            lines = await self._spending.lines(agent, call, args) if consequential else []
        except Exception as failure:  # noqa: BLE001 - every fault gets its type
            raise await self._failure(failure, call, attempt, None) from None
        limit, attempts = _bounds(tool)
        return Checked(
            call=call,
            agent=agent,
            tool=tool,
            args=tool.arguments.model_validate(given),
            json_args=args,
            digest=digest,
            attempt=attempt,
            permit=Permit(tool.dependency),
            window=Window.since(began, limit=limit),
            last=attempt >= attempts,
            lines=lines,
        )

    async def _when_free(self, checked: Checked) -> CallResult:
        """Make the call, unless its dependency is down or it is early, and the ledger doesn't know its end anyway."""
        permit = await self._breakers.ask(checked.tool.dependency, seconds=checked.tool.settings.timeout)
        if isinstance(permit, Refusal):
            is_open, in_doubt = await self._is_open(checked)
            if is_open:
                return CallResult(
                    blocked_until=permit.until,
                    reason=permit.why,
                    dependency=permit.dependency,
                    in_doubt=in_doubt,
                    failed=checked.attempt - 1 if in_doubt else 0,
                )
            return await self._make(checked)
        turn: Taken | Wait | None = None
        try:
            turn = await self._turn(checked, permit)
            if isinstance(turn, Wait):
                is_open, in_doubt = await self._is_open(checked)
                if is_open:
                    return CallResult(early=turn, in_doubt=in_doubt)
                return await self._make(checked)
            given = activity.info().start_to_close_timeout
            window = checked.window.renewed(given=given.total_seconds() if given else None)
            return await self._make(replace(checked, permit=permit, window=window))
        finally:
            await self._breakers.settle(permit)
            if isinstance(turn, Taken):
                await self._pacing.leave(turn)

    async def _turn(self, checked: Checked, permit: Permit) -> Taken | Wait:
        call = checked.call
        seconds = checked.tool.settings.timeout + _LEASE_SLACK
        asking = Asking(call.key, call.user or call.run, call.run, call.call, seconds=seconds)
        turn = await self._pacing.turn(
            permit.dependency, asking, not_before=permit.not_before, typical_ms=permit.typical_ms
        )
        if isinstance(turn, Wait):
            return turn.model_copy(update={"failed": checked.attempt - 1})
        return turn

    async def _is_open(self, checked: Checked) -> tuple[bool, bool]:
        """Whether the far side would be called at all, and whether an earlier attempt may have taken effect."""
        if checked.tool.settings.effect is not Effect.CONSEQUENTIAL:
            return True, False
        try:
            async with self._store.reading() as conn:
                state = await ledger.state_of(conn, checked.call.key)
        except Exception as failure:  # noqa: BLE001 - every fault gets its type
            raise await self._failure(failure, checked.call, checked.attempt, checked) from None
        is_open = state in (None, LedgerState.INTENDED, LedgerState.RESOLVED)
        return is_open, state is LedgerState.INTENDED

    async def _make(self, checked: Checked) -> CallResult:
        try:
            text = await self._effects.make(checked)
        except AlreadyFailed as failed:
            return CallResult(error=failed.error)
        except Held as held:
            return _waiting_for(held, checked)
        except OverBudget as over:
            told = {"guard": "action.spending", "call": checked.call.call}
            return CallResult(over=over.verdict.model_copy(update=told))
        except Exception as failure:  # noqa: BLE001 - every fault gets its type
            payload = faults.payload(
                failure, tool=checked.tool.name, step=checked.call.step, args=checked.json_args, attempt=checked.attempt
            )
            if payload.type.kind is ErrorKind.BUSINESS:
                return CallResult(error=payload)
            raise await self._failure(failure, checked.call, checked.attempt, checked) from None
        finally:
            await self._drifts.note(checked.tool, checked.differences)
        return CallResult(result=as_result(checked.call.key, text))

    async def _failure(
        self, error: Exception, call: ToolCall, attempt: int, checked: Checked | None
    ) -> ApplicationError:
        args = checked.json_args if checked else call.args
        payload = faults.payload(error, tool=call.tool, step=call.step, args=args, attempt=attempt)
        if checked is None or checked.tool.settings.effect is Effect.CONSEQUENTIAL:
            payload = await weighed(self._store, call.key, error, payload)
        if payload.type is ErrorType.BUG:
            log.error("tool raised an unexpected error", tool=call.tool, run=call.run, exc_info=error)
        retries = checked.tool.policy().retries if checked else _NO_SETTINGS
        return faults.application_error(error, payload, retries=retries)


_NO_SETTINGS = RetrySettings()


def _bounds(tool: Tool) -> tuple[float, int]:
    """Seconds of an attempt and how many are made: the run's, which may be older than the tool's settings."""
    info = activity.info()
    given = info.start_to_close_timeout
    limit = min(tool.settings.timeout, given.total_seconds()) if given else tool.settings.timeout
    return limit, tool.policy().retries.max_attempts


def _waiting_for(held: Held, checked: Checked) -> CallResult:
    """No call was made; the run waits on a timer, by the server's time."""
    since_start = checked.window.limit * OF_LIMIT - checked.window.left
    now = activity.info().started_time + timedelta(seconds=since_start)
    return CallResult(
        blocked_until=now + timedelta(seconds=held.seconds),
        reason="an earlier attempt may still be under way",
        dependency=checked.tool.dependency,
        in_doubt=True,
        failed=checked.attempt - 1,
    )


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
        success=error is None and result is not None and not result.postponed,
        blocked_until=result.blocked_until if result is not None else None,
        early_seconds=result.early.turn_seconds if result is not None and result.early else None,
        input=redacted(call.args),
        output_bytes=size,
        error=error.type.value if error else None,
    )
