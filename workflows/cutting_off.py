"""Consequential calls that a cancellation cut off: what became of them.

An attempt that is under way is waited for, but its end may not be heard: its worker had died, it was to be tried again,
or its call waited for its dependency. The ledger says whether it took effect. If nobody can tell, the run has failed,
whoever cancelled it: a person has to look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from temporalio import workflow

from workflows import activities

with workflow.unsafe.imports_passed_through():
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.plans import Step
    from plangate.resuming import key_of
    from plangate.runs import CallState, CallStatus, Result, RunState, StepState, StepStatus
    from plangate.tasks import EffectsFound, EffectsTask
    from plangate.tool_policy import Effect


async def step_cancelled(
    state: RunState, step: Step, entry: StepState, note: Callable[[str, str, str | None], None]
) -> None:
    """How a step ends that a person cancelled: cancelled, unless its effect happened or may have happened."""
    title = step.title or step.id
    effects = [call for call in entry.calls if _is_effect(state, call)]
    begun = any(call.status in (CallStatus.RUNNING, CallStatus.DONE) or _is_unknown(call) for call in effects)
    if begun and workflow.patched("cancelled-effects"):
        await _look_up(state, [entry])
        unknown = _unknown([entry])
        if unknown is not None or _is_done(entry):
            state.cancelled_steps.remove(step.id)
            entry.reason = ""
            if unknown is None:
                entry.status = StepStatus.DONE
                note("done", f"{title}: it was done before it could be cancelled", step.id)
                return
            entry.status, entry.error, entry.reason = StepStatus.FAILED, unknown, unknown.message
            note("failed", f"{title} failed: {unknown.message}", step.id)
            return
    entry.status, entry.reason = StepStatus.CANCELLED, entry.reason or "cancelled"
    note("cancelled", f"cancelled: {title}", step.id)


async def run_cancelled(state: RunState, stop: Callable[[], Awaitable[None]]) -> ErrorPayload | None:
    """Let a cancelled run's effects under way end, and say which outcome nobody knows.

    Args:
        state: The run's state.
        stop: Cancels what is under way, and waits for it.
    """
    steps = list(state.steps.values())
    cut_off = (call for step in steps for call in step.calls if call.status is CallStatus.RUNNING)
    begun = any(_is_effect(state, call) for call in cut_off) or _unknown(steps) is not None
    if not begun or not workflow.patched("cancelled-effects"):
        return None
    await stop()
    await _look_up(state, steps)
    for step in steps:
        if (unknown := _unknown([step])) is not None:
            step.status, step.error, step.reason = StepStatus.FAILED, unknown, unknown.message
        elif step.status is StepStatus.CANCELLED and _is_done(step):
            step.status, step.reason = StepStatus.DONE, ""
    return _unknown(steps)


def undoing_unclear(state: RunState) -> ErrorPayload | None:
    """The error of a run that was cancelled, and of which nobody knows whether an effect was undone."""
    unclear = next((each for each in state.compensations if each.unclear), None)
    if unclear is None or not workflow.patched("cancelled-effects"):
        return None
    message = f"whether {unclear.summary!r} was undone is not known: check it"
    return ErrorPayload(type=ErrorType.OUTCOME_UNKNOWN, message=message, attempted=unclear.by, step=unclear.step)


async def _look_up(state: RunState, steps: Iterable[StepState]) -> None:
    """Ask the ledger about calls that were cut off."""
    namespace = workflow.info().namespace
    asked = [
        (step, call)
        for step in steps
        for call in step.calls
        if call.status is CallStatus.RUNNING and _is_effect(state, call)
    ]
    if not asked:
        return
    keys = [key_of(state, step, call, namespace=namespace) for step, call in asked]
    try:
        found = await activities.find_effects(EffectsTask(run=workflow.info().workflow_id, keys=keys))
    except activities.FAILURES:
        found = EffectsFound(unknown=list(range(len(asked))))  # nobody can tell
    for number, (step, call) in enumerate(asked):
        if number in found.done:
            _end(call, CallStatus.DONE, result=found.done[number])
        elif number in found.unknown:
            message = f"{call.tool} was cut off. Whether it took effect is not known: check, then decide"
            kind = ErrorType.OUTCOME_UNKNOWN
            error = ErrorPayload(type=kind, message=message, attempted=call.tool, step=step.id, next="a person decides")
            _end(call, CallStatus.FAILED, error=error)
        else:
            _end(call, CallStatus.CANCELLED)


def _end(
    call: CallState, status: CallStatus, *, result: Result | None = None, error: ErrorPayload | None = None
) -> None:
    call.status, call.result, call.error, call.ended_at = status, result, error, workflow.now()
    call.blocked_since, call.in_doubt = None, False


def _is_effect(state: RunState, call: CallState) -> bool:
    policy = state.tools.get(call.tool)
    return policy is not None and policy.effect is Effect.CONSEQUENTIAL


def _is_unknown(call: CallState) -> bool:
    return call.error is not None and call.error.type is ErrorType.OUTCOME_UNKNOWN


def _unknown(steps: Iterable[StepState]) -> ErrorPayload | None:
    return next((call.error for step in steps for call in step.calls if _is_unknown(call)), None)


def _is_done(step: StepState) -> bool:
    """Whether all that a step was to do is done."""
    done = sum(call.status is CallStatus.DONE for call in step.calls) + sum(each.count for each in step.packed)
    if step.items is not None:
        return done >= step.items
    return bool(step.calls) and step.calls[-1].status is CallStatus.DONE
