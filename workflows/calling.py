"""How one call is made: its arguments bound, its gate passed, its tool called, its dependency waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows import activities
from workflows.binding import ALLOWED, Binding
from workflows.gates import Gates, grant_for
from workflows.postponing import CallFailed

with workflow.unsafe.imports_passed_through():
    from plangate.approvals import ApprovalGrant, ApprovalRequest, GateStatus
    from plangate.call_errors import of_call
    from plangate.engine import Engine, limit_error
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.gating import gate_of
    from plangate.lineage import Memory
    from plangate.loops import SameCalls
    from plangate.plans import Step
    from plangate.policy import Action, Verdict
    from plangate.reaching import Stop
    from plangate.runs import CallState, CallStatus, Result, RunState, StepState, StepStatus
    from plangate.tasks import BindTask, Bound, CallResult, ToolCall
    from plangate.tool_policy import Effect, ToolPolicy


@dataclass
class Caller(Binding):
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
        self._given: dict[str, dict[str, Any]] = {}
        self._memory = Memory()

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
        try:
            await self._run_call(step, state, call, tool, args)
        except CallFailed as failure:
            given = self._given.get(call.id, args)
            raise CallFailed(of_call(failure.error, tool=tool, step=step.id, given=given)) from None
        finally:
            self._given.pop(call.id, None)

    async def _run_call(self, step: Step, state: StepState, call: CallState, tool: str, args: dict[str, Any]) -> None:
        policy = self.state.tools[tool]
        bound, grant = Bound(verdict=ALLOWED), None
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
            bound = Bound(args=gate.args, digest=gate.digest, verdict=ALLOWED)
        if not bound.args_key:
            self._given[call.id] = bound.args
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
        if over.action is not Action.ASK or call.gate is not None:
            self.state.add_verdicts([over])
        if over.action is not Action.ASK:
            raise self._failed(step, ErrorType.BLOCKED, f"{policy.name} is not allowed here: {over.reason}")
        if call.gate is not None:
            raise CallFailed(limit_error(f"{over.reason}, and it was approved without that being known", step.id))
        call.status = CallStatus.BINDING
        await self.run_call(step, state, call, policy.name, args)

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
        call.error = ErrorPayload(type=kind, message=_refusal(gate), attempted=gate.tool, step=gate.step, attempts=0)
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
                elif not call.in_doubt:
                    self._may_still_begin(step, grant)
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

    def _may_still_begin(self, step: Step, grant: ApprovalGrant | None) -> None:
        """A call that had to wait, and of which nothing was sent."""
        if grant is not None and workflow.now() > grant.expires_at and workflow.patched("waiting-approvals-expire"):
            self._may_begin(step, grant)

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
                if outcome.postponed or outcome.over is not None:
                    _unless_cancelled()
                if not outcome.postponed or not outcome.in_doubt:
                    return outcome
                await self._wait_for_dependency(step, state, call, policy, outcome)
                task = task.model_copy(update={"failed": call.failed})
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from None
            refused = activities.payload_of(error, step=step.id, policy=policy)
            if refused.guard:
                verdict = Verdict(action=Action.BLOCK, rule=refused.rule, reason=refused.message, guard=refused.guard)
                self.state.add_verdicts([verdict.model_copy(update={"call": call.id})])
            raise CallFailed(refused) from None
        finally:
            self.running -= 1
            self.committed -= effect


def _unless_cancelled() -> None:
    """A consequential call's activity ends by itself, so that its result hides a cancellation that came meanwhile.

    Raises:
        asyncio.CancelledError: It was cancelled; it isn't to be made any more.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() and workflow.patched(activities.CANCELLED):
        raise asyncio.CancelledError


def _refusal(gate: ApprovalRequest) -> str:
    if gate.status is GateStatus.EXPIRED:
        return f"nobody decided by {gate.deadline.strftime('%Y-%m-%d %H:%M:%S UTC')}"
    if gate.status is GateStatus.WITHDRAWN:
        return "no longer needed: the plan changed or the run ended"
    by = f" by {gate.decision.by}" if gate.decision and gate.decision.by else ""
    reason = f": {gate.decision.reason}" if gate.decision and gate.decision.reason else ""
    return f"rejected{by}{reason}"
