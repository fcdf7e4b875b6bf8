"""How one call is made: its arguments bound, its gate passed, its tool called, its dependency waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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
    from plangate.lineage import lineage_of
    from plangate.loops import SameCalls
    from plangate.pacing import Wait
    from plangate.plans import Step
    from plangate.policy import GATED, Action, Verdict
    from plangate.provenance import Lineage
    from plangate.reaching import Stop
    from plangate.runs import INLINE_BYTES, CallState, CallStatus, Result, RunState, StepState, StepStatus
    from plangate.summary import in_words
    from plangate.tasks import BindTask, Bound, CallResult, FreeTask, ScopeEntry, ToolCall
    from plangate.toolkit import Effect, ToolPolicy

_ALLOWED = Verdict(action=Action.ALLOW)


class CallFailed(Exception):
    """A call ended without a result; carries the error that says why."""

    def __init__(self, error: ErrorPayload) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass
class Caller:
    """Makes the calls of one run."""

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
    committed: int = 0
    """Those of them that may take effect outside."""
    changed: Callable[[], None] = lambda: None
    """Told when a call begins to wait for its dependency."""
    halt: Callable[[Stop], None] = lambda stop: None
    """Told of what stops the run."""

    look: Callable[[], None] = lambda: None
    """Told that an item of a list ended."""

    def __post_init__(self) -> None:
        self._same = SameCalls(self.state)
        self._asking: dict[str, dict[str, None]] = {}
        self._numbers: dict[str, int] = {}
        self._named: dict[tuple[str, bool], list[str]] = {}

    def asks(self, state: StepState, call: CallState) -> None:
        """A call begins to wait for a person."""

    def answered(self, state: StepState, call: CallState) -> None:
        """It no longer does."""

    async def run_call(self, step: Step, state: StepState, call: CallState, tool: str, args: dict[str, Any]) -> None:
        """Make a call, or find that it won't be made; its `CallState` says which.

        Raises:
            CallFailed: The call ended without a result.
        """
        if call.status in (CallStatus.DONE, CallStatus.REJECTED):
            return
        policy = self.state.tools[tool]
        bound, grant = Bound(verdict=_ALLOWED), None
        if call.gate is None:
            bound, asked = await self._bind(step, state, call, policy, args)
            self._count_same(step, call, policy, bound)
            if asked is not None:
                self._open_gate(step, state, call, policy, bound, asked)
            call.summary = bound.summary
        if call.gate is not None:
            gate = await self._pass_gate(state, call)
            if gate is None:
                return
            lasts = timedelta(seconds=self.state.limits.decision_seconds)
            grant = grant_for(gate, expires_at=max(gate.deadline, (gate.decided_at or gate.deadline) + lasts))
            bound = Bound(args=gate.args, digest=gate.digest, verdict=_ALLOWED)
        over = await self._execute(step, state, call, policy, bound, grant)
        if over is not None:
            await self._ask_again(step, state, call, policy, args, over)

    async def _ask_again(
        self,
        step: Step,
        state: StepState,
        call: CallState,
        policy: ToolPolicy,
        args: dict[str, Any],
        over: Verdict,
    ) -> None:
        """A budget was used up after the call had been looked at: ask, if its scope says so and nobody was asked yet.

        Raises:
            CallFailed: It isn't to be done, or a person agreed without having been told of this budget.
        """
        if over.action is not Action.ASK:
            raise self._failed(step, ErrorType.BLOCKED, f"{policy.name} is not allowed here: {over.reason}")
        if call.gate is not None:
            raise CallFailed(limit_error(f"{over.reason}, and it was approved without that being known", step.id))
        call.status = CallStatus.BINDING
        await self.run_call(step, state, call, policy.name, args)

    async def _bind(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, args: dict[str, Any]
    ) -> tuple[Bound, BindTask | None]:
        """Bound arguments, and what a person is to be asked if policy says so."""
        entries = self._scope(state, call, args)
        scope = inline_scope(entries)
        free = policy.rule == "allow" and policy.effect is not Effect.CONSEQUENTIAL and not policy.guarded
        if free and scope is not None:
            try:
                resolved = expressions.resolve(args, scope)
            except PlangateError as error:
                raise self._failed(step, error.type, f"{step.id}: {error.message}") from None
            if not scope or strictjson.size(resolved) <= INLINE_BYTES:
                words = in_words(policy.summary, policy.name, resolved)
                return Bound(args=resolved, verdict=_ALLOWED, summary=words), None
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
            nth=self._nth(call, policy),
            session=self.state.request.session,
            lineage=self._lineage(step, policy.name, args),
        )
        try:
            bound = await activities.bind_call(task)
        except activities.FAILURES as error:
            raise CallFailed(activities.payload_of(error, step=step.id)) from None
        if bound.error is not None:
            raise CallFailed(bound.error)
        if bound.verdict.action is Action.BLOCK:
            raise self._failed(step, ErrorType.BLOCKED, f"{policy.name} is not allowed here: {bound.verdict.reason}")
        return bound, task if bound.verdict.action in GATED else None

    def _count_same(self, step: Step, call: CallState, policy: ToolPolicy, bound: Bound) -> None:
        """Notice a call that is made again and again.

        Raises:
            CallFailed: It was made as often as the scope allows; the run stops.
        """
        if not self.limited or not self._same.counted or call.same:
            return
        call.same, stop = self._same.note(step.id, policy.name, bound.digest if bound.args_key else bound.args)
        if stop is not None:
            self.halt(stop)
            raise CallFailed(stop.error)

    def _lineage(self, step: Step, tool: str, args: dict[str, Any]) -> Lineage | None:
        """What lies behind a call's arguments."""
        return lineage_of(self.state, step, tool, args, named=self._named)

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
        asking = self._asking.setdefault(state.id, {})
        asking[call.id] = None
        self.asks(state, call)
        try:
            gate = await self.gates.wait(call.id)
        finally:
            del asking[call.id]
            self.answered(state, call)
        if not asking:
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
    ) -> Verdict | None:
        """Make the call; what a budget says if that had no room for it."""
        while True:
            async with self.slots:
                await self.may_start.wait()
                if call.blocked_since is None and call.early_since is None:
                    self._may_begin(step, grant)
                    call.started_at = workflow.now()
                    self.state.calls += 1
                if policy.compensation is not None:
                    call.args, call.args_key = bound.args, bound.args_key
                call.status = CallStatus.RUNNING
                outcome = await self._call_tool(step, state, call, policy, self._task(step, call, policy, bound, grant))
            if not outcome.postponed:
                break
            await self._wait_for_dependency(step, state, call, policy, outcome)
        if outcome.over is not None:
            call.blocked_since, call.early_since, call.in_doubt = None, None, False
            return outcome.over
        call.ended_at, call.blocked_since, call.early_since, call.in_doubt = workflow.now(), None, None, False
        if outcome.error is not None:
            raise CallFailed(outcome.error.model_copy(update={"step": step.id}))
        call.status, call.result = CallStatus.DONE, outcome.result or Result()
        return None

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
            untrusted=bound.untrusted,
            grant=grant,
            resumed_from=self.state.resumed_from,
            user=self.state.request.user,
            session=self.state.request.session,
            nth=call.nth,
            failed=call.failed,
        )

    def _nth(self, call: CallState, policy: ToolPolicy) -> int:
        """Number a call of a tool that the scope limits per run; the number stays, whatever becomes of other calls."""
        if policy.counted and not call.nth:
            if policy.name not in self._numbers:
                known = (each for step in self.state.steps.values() for each in step.numbered_tools)
                self._numbers[policy.name] = max((nth for name, nth in known if name == policy.name), default=0)
            self._numbers[policy.name] += 1
            call.nth = self._numbers[policy.name]
        return call.nth

    async def _call_tool(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, task: ToolCall
    ) -> CallResult:
        """The call's end, or that it has to wait; while it is in doubt it counts as under way."""
        effect = policy.effect is Effect.CONSEQUENTIAL
        self.running += 1
        self.committed += effect
        try:
            while True:
                outcome = await activities.call_tool(task, policy, call.summary)
                if not outcome.postponed or not outcome.in_doubt:
                    return outcome
                await self._wait_for_dependency(step, state, call, policy, outcome)
                task = task.model_copy(update={"failed": call.failed})
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from None
            raise CallFailed(activities.payload_of(error, step=step.id, policy=policy)) from None
        finally:
            self.running -= 1
            self.committed -= effect

    async def _wait_for_dependency(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, outcome: CallResult
    ) -> None:
        """Wait for the next try, and say so; or give up.

        Raises:
            CallFailed: The call waits no longer.
        """
        if outcome.early is not None:
            await self._wait_for_turn(step, state, call, outcome.early, in_doubt=outcome.in_doubt)
            return
        now = workflow.now()
        call.blocked_since, call.in_doubt = call.blocked_since or call.started_at or now, outcome.in_doubt
        call.failed = max(call.failed, outcome.failed)
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

    async def _wait_for_turn(
        self, step: Step, state: StepState, call: CallState, wait: Wait, *, in_doubt: bool
    ) -> None:
        """Wait until the call may ask for its turn again, and say so. No time limit holds for it: it is only early."""
        now = workflow.now()
        first, call.early_since = call.early_since is None, call.early_since or now
        call.blocked_since, call.in_doubt, call.failed = None, in_doubt, wait.failed
        pause, text = waiting.for_its_turn(wait, now)
        state.reason = text
        if first:
            self.note("early", text, step.id)
        self.changed()
        await workflow.sleep(pause, summary=text)
        if state.reason == text:
            state.reason = ""

    async def leave_lines(self, steps: Sequence[Step]) -> None:
        """Calls of these steps no longer wait for their turn: others go first. (A run that ends does this anyway.)"""
        known = [(step, self.state.steps.get(step.id)) for step in steps]
        calls = [(step, call) for step, state in known if state for call in state.calls if call.early_since]
        if calls:
            keys = [self._key(step, call.item, fallback=call.fallback) for step, call in calls]
            for _, call in calls:
                call.early_since = None
            await activities.free_places(FreeTask(run=self.run, keys=keys))

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

    def _failed(self, step: Step, type: ErrorType, message: str) -> CallFailed:
        return CallFailed(ErrorPayload(type=type, message=message, attempted=step.tool, step=step.id))


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
