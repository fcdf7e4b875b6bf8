"""What resuming a failed run means: its state put back to where it stopped. Pure; finished steps stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plangate.approvals import GateStatus
from plangate.compensation import UNDO
from plangate.errors import ErrorType, InvalidInput
from plangate.keys import call_id, idempotency_key
from plangate.plans import Step
from plangate.runs import CallState, CallStatus, Event, Phase, RunState, StepState, StepStatus
from plangate.tool_policy import Effect

KEEP_INLINE = 1024
"""Bytes of a result that is carried by value."""


@dataclass(frozen=True)
class OpenCall:
    """A call that resuming would make again."""

    step: str
    call: str
    tool: str
    key: str
    consequential: bool


def compact(state: RunState) -> RunState:
    """Leave results that aren't tiny to the database; changes and returns the state."""
    for step in state.steps.values():
        for call in step.calls:
            result = call.result
            if result is not None and result.inline and result.key and result.size > KEEP_INLINE:
                call.result = result.model_copy(update={"inline": False, "value": None})
    return state


def key_of(state: RunState, step: StepState, call: CallState, *, namespace: str) -> str:
    """The idempotency key of a call, as the workflow makes it."""
    return idempotency_key(
        namespace=namespace,
        effect_identity=state.effect_identity,
        revision=step.revision,
        step=step.id,
        item=call.item,
        fallback=call.fallback,
        generation=state.generations.get(call.id, 0),
    )


def steps_to_repeat(state: RunState) -> list[Step]:
    """Steps of the current plan that go back to pending: failed, cut off, or left out because of these."""
    return [step for step in (state.plan.steps if state.plan else []) if _repeats(state, state.steps.get(step.id))]


def undone_calls(state: RunState) -> set[str]:
    """Calls whose effect was undone when the run failed: going on means to do them anew."""
    return {each.call for each in state.compensations if each.undone}


def undoing_calls(state: RunState, *, namespace: str) -> dict[str, int]:
    """Keys of undoing calls whose end the run didn't hear, with their places in its compensations."""
    places = {(each.step, each.call): number for number, each in enumerate(state.compensations)}
    found = {}
    for step in state.steps.values():
        done = state.steps.get(step.id.removesuffix(UNDO)) if step.id.endswith(UNDO) else None
        for call in step.calls if done is not None else []:
            if call.status in (CallStatus.DONE, CallStatus.REJECTED, CallStatus.FAILED):
                continue
            assert done is not None
            undone = call_id(done.id, item=call.item, fallback=call.fallback, revision=done.revision)
            if (done.id, undone) in places:
                found[key_of(state, step, call, namespace=namespace)] = places[done.id, undone]
    return found


def _repeats(state: RunState, step: StepState | None) -> bool:
    if step is None or not step.status.ended:
        return True
    if any(call.id in undone_calls(state) for call in step.calls):
        return True
    if step.id in state.cancelled_steps or step.revision != state.revision:
        return False  # a person took it out, or a revised plan took its place
    return step.status in (StepStatus.FAILED, StepStatus.CANCELLED) or (
        step.status is StepStatus.SKIPPED and step.blocked
    )


def failed_steps(state: RunState) -> list[Step]:
    """The steps of the current plan that failed, in its order."""
    return [
        step
        for step in steps_to_repeat(state)
        if (found := state.steps.get(step.id)) is not None and found.status is StepStatus.FAILED
    ]


def open_calls(state: RunState, *, namespace: str) -> list[OpenCall]:
    """Calls that were begun and would be made again."""
    found = []
    for step in steps_to_repeat(state):
        entry = state.steps.get(step.id)
        for call in entry.calls if entry else []:
            if call.status in (CallStatus.DONE, CallStatus.REJECTED):
                continue
            tool = _tool_of(step, call)
            policy = state.tools.get(tool)
            assert entry is not None
            key = key_of(state, entry, call, namespace=namespace)
            consequential = policy is None or policy.effect is Effect.CONSEQUENTIAL
            found.append(OpenCall(step.id, call.id, tool, key, consequential))
    return found


def _tool_of(step: Step, call: CallState) -> str:
    if call.fallback and step.fallback is not None and step.fallback.tool is not None:
        return step.fallback.tool
    return step.tool


def correct(state: RunState, args: Mapping[str, Any], *, step: str | None = None) -> str:
    """Put corrected arguments into the failed step; they are validated and gated like any others.

    Args:
        state: The failed run's state; changed.
        args: What replaces the step's arguments of these names; the others stay.
        step: The step, when several failed.

    Returns:
        The step's id.

    Raises:
        InvalidInput: It isn't clear which step is meant, or there is none.
    """
    failed = {each.id: each for each in failed_steps(state)}
    if step is None and len(failed) != 1:
        raise InvalidInput(
            f"corrected arguments are for one failed step; {len(failed) or 'no'} steps failed",
            details=[f"name it with --step: {', '.join(failed)}"] if failed else [],
        )
    name = step or next(iter(failed))
    if name not in failed or state.plan is None:
        raise InvalidInput(f"the step {name!r} is not among those that failed: {', '.join(failed) or 'none'}")
    corrected = failed[name].model_copy(update={"args": {**failed[name].args, **args}})
    steps = [corrected if each.id == name else each for each in state.plan.steps]
    state.plan = state.plan.model_copy(update={"steps": steps})
    return name


def resumed(state: RunState, *, run: str, at: datetime, by: str, ask_again: Collection[str] = ()) -> RunState:
    """The state that a new run goes on with.

    Args:
        state: The failed run's state; changed and returned.
        run: The failed run's id: approvals given there hold here.
        at: Now.
        by: Who resumes it.
        ask_again: Calls whose approval holds no more: other arguments, or another version of the tool or agent.
    """
    undone = undone_calls(state)
    for step in steps_to_repeat(state):
        if step.id in state.steps:
            _put_back(state, state.steps[step.id], ask_again, undone)
    for call in undone:
        state.generations[call] = state.generations.get(call, 0) + 1
    state.compensations = []
    state.steps = {name: each for name, each in state.steps.items() if not name.endswith(UNDO)}
    state.gates = {call: gate for call, gate in state.gates.items() if gate.settled and not gate.step.endswith(UNDO)}
    state.phase = Phase.EXECUTING if state.plan is not None else Phase.ADMITTING
    state.outcome, state.error, state.answer = None, None, ""
    state.paused, state.started_at = False, at
    state.inbox, state.held, state.unrecorded, state.seen = [], [], [], {}
    state.resumed_from = [*state.resumed_from, run]
    state.timeline.append(Event(at=at, kind="resumed", text=f"resumed from {run}{f' by {by}' if by else ''}"))
    return compact(state)


def _put_back(state: RunState, step: StepState, ask_again: Collection[str], undone: Collection[str]) -> None:
    step.status, step.reason, step.error = StepStatus.PENDING, "", None
    step.blocked = step.gap = False
    kept = []
    for call in step.calls:
        if call.status in (CallStatus.DONE, CallStatus.REJECTED) and call.id not in undone:
            kept.append(call)
            continue
        gate = state.gates.get(call.id)
        if gate is None or gate.status is not GateStatus.APPROVED or call.id in {*ask_again, *undone}:
            state.gates.pop(call.id, None)
            call.gate = None
        call.status, call.error, call.started_at, call.ended_at = CallStatus.BINDING, None, None, None
        call.result, call.args, call.args_key, call.args_index = None, None, "", None
        call.blocked_since, call.early_since, call.in_doubt, call.failed = None, None, False, 0
        if call.gate is not None or not call.fallback:
            kept.append(call)
    step.calls = kept
    if not kept:
        step.items, step.items_ref = None, None


def next_run(state: RunState, run: str) -> str:
    """The id of the run that goes on: the first run's, with how often it was resumed."""
    first = state.effect_identity or run
    return f"{first}-resume-{len(state.resumed_from) + 1}"


def unresolved(kind: ErrorType, call: str) -> str:
    """What to say of a call whose outcome nobody knows."""
    return f"whether {call!r} took effect is not known ({kind.value}): say so with `plangate dead-letters resolve`"
