"""How one step runs: its condition, its list, its calls; each call: bound, gated, done, and its fallback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import activities, waiting
from workflows.gates import Gates, grant_for

with workflow.unsafe.imports_passed_through():
    from plangate import expressions, strictjson
    from plangate.approvals import ApprovalGrant, ApprovalRequest, GateStatus
    from plangate.engine import Engine, inline_scope, limit_error, roots_of
    from plangate.errors import ErrorPayload, ErrorType, PlangateError
    from plangate.gating import gate_of
    from plangate.keys import call_id, idempotency_key
    from plangate.plans import Fallback, Step
    from plangate.policy import Action, Verdict
    from plangate.runs import INLINE_BYTES, CallState, CallStatus, Result, RunState, StepState, StepStatus
    from plangate.summary import in_words
    from plangate.tasks import BindTask, Bound, CallResult, EvaluateTask, ScopeEntry, ToolCall
    from plangate.toolkit import Effect, ToolPolicy


_ALLOWED = Verdict(action=Action.ALLOW)
_NO_FALLBACK = frozenset({ErrorType.OUTCOME_UNKNOWN, ErrorType.LIMIT_REACHED, ErrorType.DEPENDENCY_DOWN})


class CallFailed(Exception):
    """A call ended without a result; carries the error that says why."""

    def __init__(self, error: ErrorPayload) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass
class Stepper:
    """Runs the steps of one run."""

    state: RunState
    engine: Engine
    gates: Gates
    note: Callable[[str, str, str | None], None]
    may_start: asyncio.Event
    """Set unless the run is paused, stopping or about to continue as new."""
    slots: asyncio.Semaphore
    limited: bool = True
    """Whether the scope's limit of tool calls holds."""
    running: int = 0
    """Calls whose activity is under way."""
    run: str = field(default_factory=lambda: workflow.info().workflow_id)
    changed: Callable[[], None] = lambda: None
    """Told when a call begins to wait for its dependency."""

    async def run_step(self, step: Step) -> None:
        """Run a step to its end; its `StepState` says how it ended."""
        state = self.state.steps[step.id]
        try:
            if state.status is StepStatus.PENDING and not await self._begin(step, state):
                return
        except CallFailed as failure:
            self._fail(step, state, [failure.error])
            return
        items: list[int | None] = [None] if state.items is None else list(range(state.items))
        known = {(call.item, call.fallback): call for call in state.calls}
        failures: list[ErrorPayload] = []
        await asyncio.gather(*(self._guard_item(step, state, item, known, failures) for item in items))
        if failures:
            self._fail(step, state, failures)
        else:
            self._end(step, state)

    async def _guard_item(
        self,
        step: Step,
        state: StepState,
        item: int | None,
        known: dict[tuple[int | None, bool], CallState],
        failures: list[ErrorPayload],
    ) -> None:
        """Run an item unless another one of its step has failed; items under way go on to their end."""
        if failures:
            return
        try:
            await self._run_item(step, state, item, known)
        except CallFailed as failure:
            failures.append(failure.error)

    async def _begin(self, step: Step, state: StepState) -> bool:
        """Whether there is anything to do."""
        if blocked := self.engine.blocked(step):
            state.blocked, state.gap = True, blocked.gap
            self._skip(step, state, blocked.reason)
            return False
        if step.when is not None and not (await self._evaluate(step, step.when, "when")).truth:
            self._skip(step, state, f"its condition is not met: {step.when}")
            return False
        if step.for_each is not None:
            await self._spread(step, state, step.for_each)
        state.status = StepStatus.RUNNING
        return True

    def _skip(self, step: Step, state: StepState, reason: str) -> None:
        state.status, state.reason = StepStatus.SKIPPED, reason
        self.note("skipped", f"skipped {step.title or step.id}: {reason}", step.id)

    async def _spread(self, step: Step, state: StepState, expression: str) -> None:
        found = await self._evaluate(step, expression, "for_each")
        if found.items is None:
            raise self._failed(step, ErrorType.INVALID_ARGUMENTS, f"`for_each` {expression!r} gives no list")
        if found.items > self.state.limits.items:
            limit = self.state.limits.items
            raise CallFailed(
                limit_error(f"{found.items} items are more than the {limit} that the scope allows", step.id)
            )
        state.items, state.items_ref = found.items, found.result

    async def _evaluate(self, step: Step, expression: str, what: str) -> _Value:
        entries = self.engine.scope(roots_of(expression))
        scope = inline_scope(entries)
        if scope is not None:
            try:
                value = expressions.evaluate(expression, scope)
            except PlangateError as error:
                raise self._failed(step, error.type, error.message) from None
            if not isinstance(value, list) or what == "when":
                return _Value(expressions.truth(value), None, None)
            if strictjson.size(value) <= INLINE_BYTES:
                return _Value(bool(value), len(value), Result(value=value))
        key = self._key(step, None, fallback=False) + f":{what}"
        task = EvaluateTask(run=self.run, step=step.id, expression=expression, scope=entries, key=key)
        found = await activities.evaluate(task)
        if found.error is not None:
            raise CallFailed(found.error)
        return _Value(found.truth, found.items, found.result)

    async def _run_item(
        self, step: Step, state: StepState, item: int | None, known: dict[tuple[int | None, bool], CallState]
    ) -> None:
        """One call, and if it fails for good its fallback."""
        call = known.get((item, False))
        if call is None:
            call = self._new_call(step, state, item, fallback=False)
        try:
            if call.status is not CallStatus.FAILED:
                await self._run_call(step, state, call, step.tool, step.args)
        except CallFailed as failure:
            call.status, call.error, call.ended_at = CallStatus.FAILED, failure.error, workflow.now()
            if step.fallback is None or failure.error.type in _NO_FALLBACK:
                if step.optional and state.items is not None:
                    return
                raise
        if call.status is CallStatus.FAILED and step.fallback is not None:
            await self._run_fallback(step, state, item, step.fallback, known.get((item, True)))

    async def _run_fallback(
        self, step: Step, state: StepState, item: int | None, fallback: Fallback, call: CallState | None
    ) -> None:
        call = call or self._new_call(step, state, item, fallback=True)
        self.note("fallback", f"{step.title or step.id} failed; its fallback runs", step.id)
        try:
            if fallback.tool is not None:
                await self._run_call(step, state, call, fallback.tool, fallback.args)
                return
            scope = inline_scope(self.engine.scope(roots_of([fallback.value])))
            if scope is None:
                raise self._failed(
                    step, ErrorType.UNRESOLVED_REFERENCE, "a fixed fallback can't refer to a large result"
                )
            call.result = Result(value=expressions.resolve(fallback.value, scope))
            call.status, call.ended_at = CallStatus.DONE, workflow.now()
        except PlangateError as error:
            raise self._failed(step, error.type, error.message) from None
        except CallFailed as failure:
            call.status, call.error, call.ended_at = CallStatus.FAILED, failure.error, workflow.now()
            raise

    def _new_call(self, step: Step, state: StepState, item: int | None, *, fallback: bool) -> CallState:
        name = call_id(step.id, item=item, fallback=fallback, revision=state.revision)
        call = CallState(id=name, item=item, fallback=fallback, tool=step.tool)
        if fallback and step.fallback is not None and step.fallback.tool is not None:
            call.tool = step.fallback.tool
        state.calls.append(call)
        return call

    async def _run_call(self, step: Step, state: StepState, call: CallState, tool: str, args: dict[str, Any]) -> None:
        if call.status in (CallStatus.DONE, CallStatus.REJECTED):
            return
        policy = self.state.tools[tool]
        bound, grant = Bound(verdict=_ALLOWED), None
        if call.gate is None:
            bound = await self._bind(step, state, call, policy, args)
            call.summary = bound.summary
        if call.gate is not None:
            gate = await self._pass_gate(state, call)
            if gate is None:
                return
            lasts = timedelta(seconds=self.state.limits.decision_seconds)
            grant = grant_for(gate, expires_at=max(gate.deadline, (gate.decided_at or gate.deadline) + lasts))
            bound = Bound(args=gate.args, digest=gate.digest, verdict=_ALLOWED)
        await self._execute(step, state, call, policy, bound, grant)

    async def _bind(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, args: dict[str, Any]
    ) -> Bound:
        """Bound arguments; opens the gate if policy says so."""
        entries = self._scope(state, call, args)
        scope = inline_scope(entries)
        if policy.rule == "allow" and policy.effect is not Effect.CONSEQUENTIAL and scope is not None:
            try:
                resolved = expressions.resolve(args, scope)
            except PlangateError as error:
                raise self._failed(step, error.type, f"{step.id}: {error.message}") from None
            if not scope or strictjson.size(resolved) <= INLINE_BYTES:
                return Bound(args=resolved, verdict=_ALLOWED, summary=in_words(policy.summary, policy.name, resolved))
        now = workflow.now()
        task = BindTask(
            run=self.run,
            agent=self.state.request.agent,
            agent_version=self.state.agent_version,
            user=self.state.request.user,
            step=step.id,
            call=call.id,
            key=self._key(step, call.item, fallback=call.fallback),
            tool=policy.name,
            args=args,
            scope=entries,
            opened_at=now,
            deadline=now + timedelta(seconds=self.state.limits.decision_seconds),
            risk=step.risk,
            revision=state.revision,
        )
        try:
            bound = await activities.bind_call(task)
        except activities.FAILURES as error:
            raise CallFailed(activities.payload_of(error, step=step.id)) from None
        if bound.error is not None:
            raise CallFailed(bound.error)
        if bound.verdict.action is Action.BLOCK:
            raise self._failed(step, ErrorType.BLOCKED, f"{policy.name} is not allowed here: {bound.verdict.reason}")
        if bound.verdict.action is Action.ASK:
            self._open_gate(step, state, call, policy, bound, task)
        return bound

    def _scope(self, state: StepState, call: CallState, args: dict[str, Any]) -> dict[str, ScopeEntry]:
        """What a call's arguments may refer to."""
        entries = self.engine.scope(roots_of(args) - {"item"})
        if call.item is not None:
            entries["item"] = _item(state, call.item)
        return entries

    def _open_gate(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, bound: Bound, task: BindTask
    ) -> None:
        gate = gate_of(task, bound, tool_version=policy.version)
        call.gate, call.status, call.summary = gate.id, CallStatus.WAITING, gate.title
        state.status = StepStatus.WAITING
        self.gates.open(gate)

    async def _pass_gate(self, state: StepState, call: CallState) -> ApprovalRequest | None:
        """The approved gate, or None when the call won't be made."""
        gate = await self.gates.wait(call.id)
        if not any(other.status is CallStatus.WAITING for other in state.calls if other is not call):
            state.status = StepStatus.RUNNING
        if gate.status is GateStatus.APPROVED:
            call.summary = gate.title
            return gate
        call.ended_at = workflow.now()
        if gate.status is GateStatus.RESPONDED:
            call.status = CallStatus.DONE
            call.result = Result(value=gate.decision.response if gate.decision else None)
            return None
        call.status = CallStatus.REJECTED
        kind = ErrorType.EXPIRED if gate.status is GateStatus.EXPIRED else ErrorType.REJECTED
        call.error = ErrorPayload(type=kind, message=_refusal(gate), attempted=gate.tool, step=gate.step)
        return None

    async def _execute(
        self,
        step: Step,
        state: StepState,
        call: CallState,
        policy: ToolPolicy,
        bound: Bound,
        grant: ApprovalGrant | None,
    ) -> None:
        while True:
            async with self.slots:
                await self.may_start.wait()
                if call.blocked_since is None:
                    self._may_begin(step, grant)
                    call.started_at = workflow.now()
                    self.state.calls += 1
                if policy.compensation is not None:
                    call.args, call.args_key = bound.args, bound.args_key
                call.status = CallStatus.RUNNING
                outcome = await self._call_tool(step, state, call, policy, self._task(step, call, policy, bound, grant))
            if outcome.blocked_until is None:
                break
            await self._wait_for_dependency(step, state, call, policy, outcome)
        call.ended_at, call.blocked_since, call.in_doubt = workflow.now(), None, False
        if outcome.error is not None:
            raise CallFailed(outcome.error.model_copy(update={"step": step.id}))
        call.status, call.result = CallStatus.DONE, outcome.result or Result()

    def _may_begin(self, step: Step, grant: ApprovalGrant | None) -> None:
        if grant is not None and workflow.now() > grant.expires_at:
            message = f"the approval {grant.approval} expired before the call began"
            raise self._failed(step, ErrorType.EXPIRED, message)
        if self.limited and self.state.calls >= self.state.limits.tool_calls:
            limit = self.state.limits.tool_calls
            raise CallFailed(limit_error(f"the run has made all {limit} tool calls that the scope allows", step.id))

    def _task(
        self, step: Step, call: CallState, policy: ToolPolicy, bound: Bound, grant: ApprovalGrant | None
    ) -> ToolCall:
        return ToolCall(
            run=self.run,
            agent=self.state.request.agent,
            agent_version=self.state.agent_version,
            step=step.id,
            call=call.id,
            tool=policy.name,
            tool_version=policy.version,
            key=self._key(step, call.item, fallback=call.fallback),
            args=bound.args,
            args_key=bound.args_key,
            digest=bound.digest,
            grant=grant,
            resumed_from=self.state.resumed_from,
            user=self.state.request.user,
            session=self.state.request.session,
        )

    async def _call_tool(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, task: ToolCall
    ) -> CallResult:
        """The call's end, or that it has to wait; while it is in doubt it counts as under way."""
        self.running += 1
        try:
            while True:
                outcome = await activities.call_tool(task, policy, call.summary)
                if outcome.blocked_until is None or not outcome.in_doubt:
                    return outcome
                await self._wait_for_dependency(step, state, call, policy, outcome)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from None
            raise CallFailed(activities.payload_of(error, step=step.id, policy=policy)) from None
        finally:
            self.running -= 1

    async def _wait_for_dependency(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, outcome: CallResult
    ) -> None:
        """Wait for the next try, and say so; or give up.

        Raises:
            CallFailed: The call waits no longer.
        """
        now = workflow.now()
        call.blocked_since, call.in_doubt = call.blocked_since or call.started_at or now, outcome.in_doubt
        pause = waiting.pause_before(call, outcome, now)
        if error := waiting.gives_up(call, outcome, policy, pause, now):
            call.blocked_since, call.in_doubt, state.reason = None, False, ""
            raise CallFailed(error.model_copy(update={"step": step.id}))
        text = waiting.in_words(outcome, now, pause)
        state.reason = text
        self.note("blocked", text, step.id)
        self.changed()
        await workflow.sleep(pause, summary=text)
        state.reason = ""

    def _key(self, step: Step, item: int | None, *, fallback: bool) -> str:
        revision = self.state.steps[step.id].revision
        call = call_id(step.id, item=item, fallback=fallback, revision=revision)
        return idempotency_key(
            namespace=workflow.info().namespace,
            effect_identity=self.state.effect_identity or self.run,
            revision=revision,
            step=step.id,
            item=item,
            fallback=fallback,
            generation=self.state.generations.get(call, 0),
        )

    def _end(self, step: Step, state: StepState) -> None:
        refused = [call for call in state.calls if call.status is CallStatus.REJECTED]
        if refused and not any(call.status is CallStatus.DONE for call in state.calls):
            state.status, state.error = StepStatus.REJECTED, refused[0].error
            state.reason = refused[0].error.message if refused[0].error else ""
            self.note("rejected", f"not done: {step.title or step.id}: {state.reason}", step.id)
            return
        failed = [call.error for call in state.calls if call.status is CallStatus.FAILED and call.error is not None]
        if failed and not any(call.status is CallStatus.DONE for call in state.calls):
            self._fail(step, state, failed)
            return
        if refused:
            state.reason = f"{len(refused)} of {len(state.calls)} were not approved"
        state.status = StepStatus.DONE
        words = state.calls[-1].summary if state.calls and state.items is None else ""
        self.note("done", words or step.title or step.id, step.id)

    def _fail(self, step: Step, state: StepState, errors: list[ErrorPayload]) -> None:
        state.status, state.error = StepStatus.FAILED, errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        state.reason = errors[0].message + more
        self.note("failed", f"{step.title or step.id} failed: {state.reason}", step.id)

    def _failed(self, step: Step, type: ErrorType, message: str) -> CallFailed:
        return CallFailed(ErrorPayload(type=type, message=message, attempted=step.tool, step=step.id))


@dataclass(frozen=True)
class _Value:
    """An expression's value: its truth, and if it is a list its length and where it is."""

    truth: bool
    items: int | None
    result: Result | None


def _item(state: StepState, index: int) -> ScopeEntry:
    found = state.items_ref
    if found is None:
        return ScopeEntry()
    if found.inline:
        return ScopeEntry(value=found.value[index])
    return ScopeEntry(stored=found.key, index=index)


def _refusal(gate: ApprovalRequest) -> str:
    if gate.status is GateStatus.EXPIRED:
        return f"nobody decided by {gate.deadline.strftime('%Y-%m-%d %H:%M:%S UTC')}"
    if gate.status is GateStatus.WITHDRAWN:
        return "no longer needed: the plan changed or the run ended"
    by = f" by {gate.decision.by}" if gate.decision and gate.decision.by else ""
    reason = f": {gate.decision.reason}" if gate.decision and gate.decision.reason else ""
    return f"rejected{by}{reason}"
