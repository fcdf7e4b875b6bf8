"""How a run ends: what a failed step means for it, and with which outcome it ends when nothing else happens."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from plangate import loops
    from plangate.call_errors import REVISED
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.plans import Step
    from plangate.reaching import Reached, Stop
    from plangate.runs import CallStatus, Outcome, RunState, StepStatus

_FINAL = frozenset({ErrorType.OUTCOME_UNKNOWN, ErrorType.LIMIT_REACHED, ErrorType.BUG, ErrorType.BROKEN_AGENT})
"""Errors that a new plan can't mend."""


class RunEnds(Exception):
    """The run is over early."""

    def __init__(
        self, outcome: Outcome, *, error: ErrorPayload | None = None, message: str = "", stop: Stop | None = None
    ) -> None:
        super().__init__(message or outcome.value)
        self.outcome, self.error, self.message, self.stop = outcome, error, message, stop


def ends(stop: Stop, error: ErrorPayload | None = None) -> RunEnds:
    """The end of a run that stops for good.

    Args:
        stop: Why.
        error: What failed, when that says more than the stop does.
    """
    failed = stop.then is Reached.FAIL
    error = error.model_copy(update={"next": stop.error.next}) if error is not None else stop.error
    return RunEnds(Outcome.FAILED if failed else Outcome.ESCALATED, error=error, stop=stop)


def may_be_left_out(step: Step, error: ErrorPayload | None) -> bool:
    """Whether the run goes on without a step that failed: it is optional, and it is sure that it had no effect."""
    if not step.optional:
        return False
    unsure = error is not None and error.type is ErrorType.OUTCOME_UNKNOWN
    return not (unsure and workflow.patched("unknown-effects-are-not-optional"))


def unknown_first(state: RunState, failed: str | None) -> None:
    """An effect whose outcome nobody knows decides how the run ends, whatever else failed or stopped it before.

    Args:
        state: The run's state, with nothing under way.
        failed: The step that failed first; None when the run is stopped for another reason.

    Raises:
        RunEnds: There is such an effect, and the failed step's own end doesn't say so.
    """
    first = state.steps[failed].error if failed is not None else None
    if first is not None and first.type is ErrorType.OUTCOME_UNKNOWN:
        return
    errors = (call.error for step in state.steps.values() for call in step.calls)
    unknown = next((each for each in errors if each and each.type is ErrorType.OUTCOME_UNKNOWN), None)
    if unknown is not None and workflow.patched("unknown-outcomes-first"):
        raise RunEnds(Outcome.FAILED, error=unknown.model_copy(update={"next": "the run ends"}))


def after_failure(state: RunState, name: str) -> str:
    """What the planner is told of a step that failed for good.

    Raises:
        RunEnds: A new plan can't mend it, or there may be none.
    """
    error = state.steps[name].error or ErrorPayload(message=state.steps[name].reason, step=name)
    title = next((s.title for s in (state.plan.steps if state.plan else []) if s.id == name), "") or name
    if error.type is ErrorType.LIMIT_REACHED:
        raise ends(Stop(rule="limits.calls", reason=error.message, step=name), error)
    if error.type is ErrorType.DEPENDENCY_DOWN:
        raise RunEnds(Outcome.ESCALATED, error=error, message=f"A person takes over: {error.message}.")
    if error.type in _FINAL or state.request.plan is not None:
        raise RunEnds(Outcome.FAILED, error=error.model_copy(update={"next": "the run ends"}))
    if stop := loops.before_revision(state):
        raise ends(stop, error)
    state.steps[name].error = error.model_copy(update={"next": REVISED})
    return f"the step {name!r} ({title}) failed for good: {error.message} ({error.type.value})"


def after_looking(state: RunState) -> str | None:
    """What the planner is told when the plan said to look first, and now is done; None when it is done for good.

    Raises:
        RunEnds: The rest may not be planned any more.
    """
    plan = state.plan
    if plan is None or plan.needs != "look first" or state.request.plan is not None:
        return None
    if stop := loops.before_revision(state):
        raise ends(stop.model_copy(update={"then": Reached.HAND_OVER}))
    return "the plan said to look first; here is what was found"


def leave_out(state: RunState, stop: Stop) -> None:
    """Steps that haven't ended end here: the answer says what is missing, and why."""
    for step in state.steps.values():
        if step.status is StepStatus.PENDING:
            step.status, step.reason, step.blocked, step.gap = StepStatus.SKIPPED, stop.reason, True, True
        elif not step.status.ended:
            step.status, step.reason = StepStatus.CANCELLED, stop.reason


def outcome_of(state: RunState) -> Outcome:
    """How the run ends if nothing else happens."""
    optional = {step.id for step in (state.plan.steps if state.plan else []) if step.optional}
    statuses = {step.status for name, step in state.steps.items() if name not in optional}
    if StepStatus.REJECTED in statuses:
        return Outcome.REJECTED
    ended_badly = {StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.REJECTED}
    if any(step.status in ended_badly or step.gap for step in state.steps.values()):
        return Outcome.DEGRADED
    partly = any(
        step.items is not None
        and sum(call.status is CallStatus.DONE for call in step.calls) + sum(each.count for each in step.packed)
        < step.items
        for step in state.steps.values()
        if step.status is StepStatus.DONE
    )
    return Outcome.DEGRADED if partly else Outcome.COMPLETED
