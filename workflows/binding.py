"""A call's arguments: resolved, bound, judged by policy, and counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow

from workflows import activities
from workflows.postponing import CallFailed, Postponing

with workflow.unsafe.imports_passed_through():
    from plangate import expressions, strictjson
    from plangate.engine import Engine, inline_scope, roots_of
    from plangate.errors import ErrorType, PlangateError
    from plangate.lineage import Memory, lineage_of
    from plangate.loops import SameCalls
    from plangate.plans import Step
    from plangate.policy import GATED, Action, Verdict
    from plangate.provenance import Lineage
    from plangate.reaching import Stop
    from plangate.runs import INLINE_BYTES, CallState, StepState
    from plangate.summary import in_words
    from plangate.tasks import BindTask, Bound, ScopeEntry
    from plangate.tool_policy import Effect, ToolPolicy


ALLOWED = Verdict(action=Action.ALLOW)


class Binding(Postponing):
    """Binds the arguments of a run's calls; a part of `workflows.calling.Caller`."""

    engine: Engine
    limited: bool
    halt: Callable[[Stop], None]
    _same: SameCalls
    _numbers: dict[str, int]
    _memory: Memory

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
                return Bound(args=resolved, verdict=ALLOWED, summary=words), None
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
        self.state.add_verdicts([each for each in bound.verdicts if each not in self.state.verdicts])
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
        return lineage_of(self.state, step, tool, args, memory=self._memory)

    def _scope(self, state: StepState, call: CallState, args: dict[str, Any]) -> dict[str, ScopeEntry]:
        """What a call's arguments may refer to."""
        entries = self.engine.scope(roots_of(args) - {"item"})
        if call.item is not None:
            entries["item"] = _item(state, call.item)
        return entries

    def _nth(self, call: CallState, policy: ToolPolicy) -> int:
        """Number a call of a tool that the scope limits per run; the number stays, whatever becomes of other calls."""
        if policy.counted and not call.nth:
            if policy.name not in self._numbers:
                known = (each for step in self.state.steps.values() for each in step.numbered_tools)
                self._numbers[policy.name] = max((nth for name, nth in known if name == policy.name), default=0)
            self._numbers[policy.name] += 1
            call.nth = self._numbers[policy.name]
        return call.nth


def _item(state: StepState, index: int) -> ScopeEntry:
    found = state.items_ref
    if found is None:
        return ScopeEntry()
    if found.inline:
        return ScopeEntry(value=found.value[index])
    return ScopeEntry(stored=found.key, index=index)
