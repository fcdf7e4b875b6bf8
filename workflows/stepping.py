"""How one step runs: its condition, its list, its calls and their fallbacks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from temporalio import workflow

from workflows import activities
from workflows.calling import Caller
from workflows.ending import may_be_left_out
from workflows.lists import Window
from workflows.postponing import CallFailed

with workflow.unsafe.imports_passed_through():
    from plangate import expressions, strictjson
    from plangate.call_errors import of_call, then
    from plangate.conditions import unmet
    from plangate.engine import inline_scope, limit_error, roots_of
    from plangate.errors import ErrorPayload, ErrorType, PlangateError
    from plangate.keys import call_id
    from plangate.packing import from_ranges
    from plangate.plans import Fallback, Step
    from plangate.runs import INLINE_BYTES, CallState, CallStatus, Result, StepState, StepStatus
    from plangate.tasks import EvaluateTask

FEW = 20
"""Items up to which all of a list begin at once."""
_NO_FALLBACK = frozenset({ErrorType.OUTCOME_UNKNOWN, ErrorType.LIMIT_REACHED, ErrorType.DEPENDENCY_DOWN})


@dataclass
class Stepper(Caller):
    """Runs the steps of one run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._windows: dict[str, Window] = {}

    async def run_step(self, step: Step) -> None:
        """Run a step to its end; its `StepState` says how it ended."""
        state = self.state.steps[step.id]
        try:
            if state.status is StepStatus.PENDING and not await self._begin(step, state):
                return
            if step.for_each is not None and state.items is not None and state.items_ref is None:
                await self._spread(step, state, step.for_each)  # it was too large to be carried along
        except CallFailed as failure:
            error = of_call(failure.error, tool=step.tool, step=step.id, given=step.args)
            self._fail(step, state, [then(error, step, fallback=False)])
            return
        known = {(call.item, call.fallback): call for call in state.calls}
        failures: list[ErrorPayload] = []
        if state.items is not None and state.items > FEW and workflow.patched("lists-by-and-by"):
            await self._run_list(step, state, state.items, known, failures)
        else:
            items: list[int | None] = [None] if state.items is None else list(range(state.items))
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
        if item is None or failures or self.running or self.may_start.is_set() or step.id in self._windows:
            return
        if workflow.patched("lists-tell"):
            self.look()  # the last of those under way, and the others may not begin: the run may continue as new

    async def _run_list(
        self,
        step: Step,
        state: StepState,
        items: int,
        known: dict[tuple[int | None, bool], CallState],
        failures: list[ErrorPayload],
    ) -> None:
        """Run the items of a long list that have not ended."""
        failures += [call.error for call in state.calls if call.error and self._fails(step, call)]
        window = self._windows[step.id] = Window(self.state.limits.parallel)

        async def run(item: int) -> None:
            await self._guard_item(step, state, item, known, failures)
            self.look()

        done = {item for packed in state.packed for item in from_ranges(packed.items)}
        left = (item for item in range(items) if item not in done and not self._is_over(step, known, item))
        try:
            await window.run(left, run, lambda: bool(failures))
        finally:
            del self._windows[step.id]

    def _fails(self, step: Step, call: CallState) -> bool:
        """Whether a call of the execution before ended its step as failed."""
        if call.status is not CallStatus.FAILED or call.error is None or may_be_left_out(step, call.error):
            return False
        return call.fallback or not self._has_fallback(step, call)

    def _has_fallback(self, step: Step, call: CallState) -> bool:
        """Whether a failed call's fallback takes over."""
        return step.fallback is not None and (call.error is None or call.error.type not in _NO_FALLBACK)

    def _is_over(self, step: Step, known: dict[tuple[int | None, bool], CallState], item: int) -> bool:
        call = known.get((item, False))
        if call is None:
            return False
        if call.status is CallStatus.FAILED and self._has_fallback(step, call):
            call = known.get((item, True))
        return call is not None and call.status in (CallStatus.DONE, CallStatus.REJECTED, CallStatus.FAILED)

    def asks(self, state: StepState, call: CallState) -> None:
        """While it waits for a person, another item may begin."""
        if state.id in self._windows:
            self._windows[state.id].waits(call.id)

    def answered(self, state: StepState, call: CallState) -> None:
        """It takes a place again."""
        if state.id in self._windows:
            self._windows[state.id].goes_on(call.id)

    async def _begin(self, step: Step, state: StepState) -> bool:
        """Whether there is anything to do."""
        if blocked := self.engine.blocked(step):
            state.blocked, state.gap = True, blocked.gap
            self._skip(step, state, blocked.reason)
            return False
        if step.when is not None and not (await self._evaluate(step, step.when, "when")).truth:
            self._skip(step, state, unmet(step.when))
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
            falls_back = self._has_fallback(step, call)
            call.error = then(failure.error, step, fallback=falls_back)
            if not falls_back:
                if state.items is not None and may_be_left_out(step, failure.error):
                    return
                raise CallFailed(call.error) from None
        if step.fallback is not None and call.status is CallStatus.FAILED and self._has_fallback(step, call):
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
            whole = of_call(failure.error, tool=call.tool, step=step.id, given=fallback.args)
            call.status, call.error, call.ended_at = (
                CallStatus.FAILED,
                then(whole, step, fallback=False),
                workflow.now(),
            )
            raise CallFailed(call.error) from None

    def _new_call(self, step: Step, state: StepState, item: int | None, *, fallback: bool) -> CallState:
        name = call_id(step.id, item=item, fallback=fallback, revision=state.revision)
        call = CallState(id=name, item=item, fallback=fallback, tool=step.tool)
        if fallback and step.fallback is not None and step.fallback.tool is not None:
            call.tool = step.fallback.tool
        state.calls.append(call)
        return call

    def _end(self, step: Step, state: StepState) -> None:
        refused = [call for call in state.calls if call.status is CallStatus.REJECTED]
        done = bool(state.packed) or any(call.status is CallStatus.DONE for call in state.calls)
        if refused and not done:
            state.status, state.error = StepStatus.REJECTED, refused[0].error
            state.reason = refused[0].error.message if refused[0].error else ""
            self.note("rejected", f"not done: {step.title or step.id}: {state.reason}", step.id)
            return
        failed = [call.error for call in state.calls if call.status is CallStatus.FAILED and call.error is not None]
        if failed and not done:
            self._fail(step, state, failed)
            return
        if refused:
            count = len(state.calls) + sum(packed.count for packed in state.packed)
            state.reason = f"{len(refused)} of {count} were not approved"
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
