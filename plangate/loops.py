"""Runs that go round in circles: the same plan again, no step done between two plans, steps that fail in a row."""

from __future__ import annotations

from typing import Any

from plangate.errors import ErrorKind
from plangate.plans import Plan, Step
from plangate.reaching import Stop
from plangate.runs import RunState, StepState, StepStatus
from plangate.strictjson import digest
from plangate.validation import dependencies


def note_end(state: RunState, step: StepState) -> Stop | None:
    """Count how a step ended; the stop when too many failed one after the other."""
    limit = state.limits.failures_in_row
    if step.status is StepStatus.DONE:
        state.failed_in_row = 0
    elif step.status is StepStatus.FAILED:
        state.failed_in_row += 1
        if limit and state.failed_in_row >= limit:
            return Stop(
                rule="limits.failures-in-a-row",
                reason=f"{_count(state.failed_in_row, 'step')} failed one after the other",
                then=state.limits.then("failures_in_row"),
                step=step.id,
            )
    return None


def before_revision(state: RunState) -> Stop | None:
    """Why the plan isn't revised once more, or None; counts revisions that got nothing done."""
    limits = state.limits
    if state.revision >= limits.revisions:
        reason = f"the plan was revised {_count(state.revision, 'time')}, as often as the scope allows"
        return Stop(rule="limits.revisions", reason=reason, then=limits.then("revisions"))
    if not limits.stale_revisions:
        return None
    done = sum(step.status is StepStatus.DONE for step in state.steps.values())
    state.stale_revisions = state.stale_revisions + 1 if state.revision and done <= state.done_before else 0
    state.done_before = done
    if state.stale_revisions < limits.stale_revisions:
        return None
    plans = _count(state.stale_revisions, "revised plan")
    reason = f"{plans} in a row brought nothing further: no step was done since"
    return Stop(rule="loops.no-progress", reason=reason, then=limits.then("stale_revisions"))


def note_plan(state: RunState, plan: Plan) -> Stop | None:
    """Remember a plan that is about to be put in place; the stop when it only repeats what was there before."""
    if not state.limits.stale_revisions:
        return None
    then = state.limits.then("stale_revisions")
    whole = _fingerprint([_shape(step) for step in plan.steps])
    if plan.steps and whole in state.plans:
        return Stop(rule="loops.same-plan", reason="the revised plan is one that was tried before", then=then)
    state.plans.append(whole)
    failed = {_fingerprint(_shape(step)): step for step in _failed_for_good(state)}
    new = {step.id for step in plan.steps}
    for step in plan.steps:
        if dependencies(step) & new:
            continue  # something else comes first this time
        before = failed.get(_fingerprint(_shape(step)))
        if before is not None:
            reason = f"the revised plan repeats {before.title or before.id!r}, which failed for good"
            return Stop(rule="loops.repeated-failure", reason=reason, then=then, step=before.id)
    return None


def _failed_for_good(state: RunState) -> list[Step]:
    """Steps whose failure the same call would meet again: not those that were only unlucky."""
    found = []
    for step in state.plan.steps if state.plan else []:
        known = state.steps.get(step.id)
        error = known.error if known is not None and known.status is StepStatus.FAILED else None
        if error is not None and error.type.kind is not ErrorKind.TRANSIENT:
            found.append(step)
    return found


def _shape(step: Step) -> list[Any]:
    """What a step does, whatever it is called."""
    fallback = step.fallback.model_dump(mode="json") if step.fallback else None
    return [step.tool, step.args, step.when, step.for_each, fallback]


def _fingerprint(value: Any) -> str:
    return digest(value)[:16]


class SameCalls:
    """Which steps made which calls, by tool and bound arguments; a list's items count once for their step.

    Args:
        state: The run's state; `CallState.same` is what is kept of each call.
    """

    def __init__(self, state: RunState) -> None:
        self._limits = state.limits
        self._steps: dict[str, set[str]] = {}
        for step in state.steps.values():
            for call in step.calls:
                if call.same:
                    self._steps.setdefault(call.same, set()).add(step.id)
            for packed in step.packed:
                for same in packed.same_of_each():
                    self._steps.setdefault(same, set()).add(step.id)

    @property
    def counted(self) -> bool:
        """Whether the scope bounds them."""
        return bool(self._limits.identical_calls)

    def note(self, step: str, tool: str, args: dict[str, Any] | str) -> tuple[str, Stop | None]:
        """Count a call that is about to be made.

        Args:
            step: Its step.
            tool: Its tool.
            args: The bound arguments, or their digest when they are stored elsewhere.

        Returns:
            What to keep of the call, and the stop when it was made too often.
        """
        same = _fingerprint([tool, args])
        steps = self._steps.setdefault(same, set())
        steps.add(step)
        if len(steps) <= self._limits.identical_calls:
            return same, None
        times = _count(self._limits.identical_calls, "time")
        reason = f"{tool} was to be called with the same arguments again; that was done {times} already"
        return same, Stop(
            rule="loops.repeated-call", reason=reason, then=self._limits.then("identical_calls"), step=step
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
