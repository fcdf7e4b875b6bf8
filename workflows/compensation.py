"""Undoing what a run did before it failed or was cancelled, in reverse order.

Each undoing is a call like any other: bound, judged by policy, gated if the scope asks, and made once under a key of
its own. It belongs to a step that isn't part of the plan: `STEP-undo`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from temporalio import workflow

from workflows.calling import Caller
from workflows.execution import Execution
from workflows.postponing import CallFailed

with workflow.unsafe.imports_passed_through():
    from plangate.carrying import calls_of
    from plangate.compensation import UNDO, Compensated
    from plangate.errors import ErrorType
    from plangate.keys import call_id
    from plangate.plans import Step
    from plangate.provenance import Lineage
    from plangate.runs import CallState, CallStatus, Phase, Result, RunState, StepState, StepStatus
    from plangate.tasks import ScopeEntry
    from plangate.tool_policy import Effect

_WAITS = "not yet undone"
MAX_EVENTS = 45_000
"""Events after which no further undoing begins: at 51,200 the server would end the run, and nothing would say what was
undone."""


async def compensate(execution: Execution, note: Callable[[str, str, str | None], None]) -> None:
    """Undo the run's effects, as far as their tools say how; `RunState.compensations` has what became of each.

    A run whose tools declare no compensation does nothing here, as runs did before there were any.
    """
    state = execution.state
    if any(policy.compensation for policy in state.tools.values()):
        state.phase = Phase.UNDOING
        await execution.stop()
    work = effects(state)
    state.compensations = [_report(state, step, call) for step, call in work]
    undoer = _Undoer(state, execution, note)
    for position, (step, call) in enumerate(work):
        if state.tools[call.tool].compensation is None:
            continue
        if workflow.info().get_current_history_length() > MAX_EVENTS and workflow.patched("undo-within-history"):
            _leave(state, "one history has no room to undo more")
            return
        try:
            await workflow.wait_condition(lambda: not state.paused)
            state.compensations[position] = await undoer.undo(step, call, state.compensations[position])
        except asyncio.CancelledError:
            _leave(state, "the run was cancelled while it was undoing its effects")
            return


def effects(state: RunState) -> list[tuple[StepState, CallState]]:
    """Calls that took effect, or whose tool says how to undo them; the newest first."""
    found = []
    for step in state.steps.values():
        if not any(_may_be_undone(state, name) for name, _ in step.numbered_tools):
            continue
        for call in calls_of(state, step):
            policy = state.tools.get(call.tool)
            done = call.status is CallStatus.DONE and call.result is not None and call.result.key
            if not done or policy is None or step.id.endswith(UNDO):
                continue
            if _may_be_undone(state, call.tool):
                found.append((step, call))
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: each[1].ended_at or never, reverse=True)


def _may_be_undone(state: RunState, tool: str) -> bool:
    policy = state.tools.get(tool)
    return policy is not None and (policy.effect is Effect.CONSEQUENTIAL or policy.compensation is not None)


def _report(state: RunState, step: StepState, call: CallState) -> Compensated:
    policy = state.tools[call.tool]
    reason = _WAITS if policy.compensation else f"{call.tool} does not say how it is undone"
    return Compensated(call=call.id, step=step.id, tool=call.tool, summary=call.summary or call.tool, reason=reason)


def _leave(state: RunState, reason: str) -> None:
    state.compensations = [
        each if each.undone or each.reason != _WAITS else each.model_copy(update={"reason": reason})
        for each in state.compensations
    ]


class _Undoer(Caller):
    """Makes the undoing calls, one after the other."""

    def __init__(self, state: RunState, execution: Execution, note: Callable[[str, str, str | None], None]) -> None:
        go = asyncio.Event()
        go.set()
        super().__init__(state, execution.engine, execution.gates, note, go, asyncio.Semaphore(1))
        self.limited = False
        self._undone: CallState | None = None

    async def undo(self, step: StepState, call: CallState, report: Compensated) -> Compensated:
        """Undo one call."""
        compensation = self.state.tools[call.tool].compensation
        assert compensation is not None
        tool = compensation.tool
        if tool not in self.state.tools:
            return report.model_copy(update={"reason": f"the agent has no tool {tool!r}"})
        name = f"{step.id}{UNDO}"
        entry = self.state.steps.setdefault(name, StepState(id=name, revision=step.revision, items=step.items))
        mine = CallState(
            id=call_id(name, item=call.item, fallback=call.fallback, revision=step.revision),
            item=call.item,
            fallback=call.fallback,
            tool=tool,
        )
        if generation := self.state.generations.get(call.id):
            self.state.generations[mine.id] = generation
        entry.calls.append(mine)
        entry.status, self._undone = StepStatus.RUNNING, call
        what = f"it undoes “{report.summary}”, because the run did not come to a good end"
        plan_step = Step.model_construct(id=name, title=f"Undo: {report.summary}"[:200], tool=tool, risk=what)
        try:
            await self.run_call(plan_step, entry, mine, tool, compensation.references())
        except CallFailed as failure:
            mine.status, mine.error, mine.ended_at = CallStatus.FAILED, failure.error, workflow.now()
        return self._became(entry, mine, report)

    def _became(self, entry: StepState, mine: CallState, report: Compensated) -> Compensated:
        entry.status = StepStatus.DONE if mine.status is CallStatus.DONE else StepStatus.FAILED
        if mine.status is CallStatus.DONE and (mine.result or Result()).key:
            self.note("undone", f"undone: {report.summary}", report.step)
            return report.model_copy(update={"undone": True, "by": mine.tool, "reason": ""})
        reason = mine.error.message if mine.error else "a person answered in its place"
        self.note("not undone", f"not undone: {report.summary}: {reason}", report.step)
        unclear = mine.error is not None and mine.error.type is ErrorType.OUTCOME_UNKNOWN
        return report.model_copy(update={"by": mine.tool, "reason": reason, "unclear": unclear})

    def _lineage(self, step: Step, tool: str, args: dict[str, Any]) -> Lineage | None:
        """The tool's author says how it is undone; what it was done with was checked then."""
        return None

    def _scope(self, state: StepState, call: CallState, args: dict[str, Any]) -> dict[str, ScopeEntry]:
        """What the compensation's arguments may refer to: the undone call's arguments and result."""
        done = self._undone
        assert done is not None
        result = done.result or Result()
        return {
            "args": ScopeEntry(stored=done.args_key, index=done.args_index)
            if done.args_key
            else ScopeEntry(value=done.args or {}),
            "result": ScopeEntry(value=result.value) if result.inline else ScopeEntry(stored=result.key),
        }
