"""How one step runs: its condition, its list, its calls and their fallbacks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from temporalio import workflow

from workflows import activities
from workflows.calling import Caller, CallFailed
from workflows.ending import may_be_left_out

with workflow.unsafe.imports_passed_through():
    from plangate import expressions, strictjson
    from plangate.engine import inline_scope, limit_error, roots_of
    from plangate.errors import ErrorPayload, ErrorType, PlangateError
    from plangate.keys import call_id
    from plangate.plans import Fallback, Step
    from plangate.runs import INLINE_BYTES, CallState, CallStatus, Result, StepState, StepStatus
    from plangate.tasks import EvaluateTask

_NO_FALLBACK = frozenset({ErrorType.OUTCOME_UNKNOWN, ErrorType.LIMIT_REACHED, ErrorType.DEPENDENCY_DOWN})


@dataclass
class Stepper(Caller):
    """Runs the steps of one run."""

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
                await self.run_call(step, state, call, step.tool, step.args)
        except CallFailed as failure:
            call.status, call.error, call.ended_at = CallStatus.FAILED, failure.error, workflow.now()
            if step.fallback is None or failure.error.type in _NO_FALLBACK:
                if state.items is not None and may_be_left_out(step, failure.error):
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
                await self.run_call(step, state, call, fallback.tool, fallback.args)
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


@dataclass(frozen=True)
class _Value:
    """An expression's value: its truth, and if it is a list its length and where it is."""

    truth: bool
    items: int | None
    result: Result | None
