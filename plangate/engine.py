"""Which step may run next, and what its expressions may see. Pure bookkeeping over a `RunState`.

The engine is rebuilt from the state after continue-as-new; it holds nothing that the state doesn't say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from plangate import expressions
from plangate.carrying import calls_of
from plangate.errors import ErrorPayload, ErrorType
from plangate.plans import Plan, Step
from plangate.runs import INLINE_BYTES, CallState, CallStatus, Result, RunState, StepState, StepStatus
from plangate.tasks import ScopeEntry
from plangate.validation import dependencies, reference_roots


@dataclass(frozen=True)
class Blocked:
    """Why a step is left out."""

    reason: str
    gap: bool
    """Whether something is missing because of it: what it needs failed or was refused, not just not called for."""


class Engine:
    """The DAG of a run's current plan.

    Args:
        state: The run's state; its `steps` get an entry for each step of the plan.
    """

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.steps: dict[str, Step] = {step.id: step for step in (state.plan.steps if state.plan else [])}
        self._needs: dict[str, set[str]] = {}
        self._users: dict[str, list[str]] = {}
        self._free: deque[str] = deque()
        self._entries: dict[str, ScopeEntry] = {}
        for step in self.steps.values():
            state.steps.setdefault(step.id, StepState(id=step.id, revision=state.revision))
        for step in self.steps.values():
            self._link(step)

    def _link(self, step: Step) -> None:
        if self.state.steps[step.id].status.ended:
            return
        waits = {name for name in dependencies(step) if name in self.steps and not self._ended(name)}
        self._needs[step.id] = waits
        for name in waits:
            self._users.setdefault(name, []).append(step.id)
        if not waits:
            self._free.append(step.id)

    def _ended(self, name: str) -> bool:
        return self.state.steps[name].status.ended

    def take_ready(self) -> Iterable[Step]:
        """Steps whose dependencies have all ended, each once, in the plan's order of becoming free.

        A step that was cancelled before it was taken isn't among them.
        """
        while self._free:
            name = self._free.popleft()
            if not self._ended(name):
                yield self.steps[name]

    @property
    def has_ready(self) -> bool:
        """Whether `take_ready` would give a step."""
        return any(not self._ended(name) for name in self._free)

    def ended(self, step_id: str) -> None:
        """Tell that a step ended; the steps that waited for it may become ready."""
        self._needs.pop(step_id, None)
        for user in self._users.pop(step_id, ()):
            waits = self._needs.get(user)
            if waits is not None:
                waits.discard(step_id)
                if not waits:
                    self._free.append(user)

    def blocked(self, step: Step) -> Blocked | None:
        """Why a step can't run although its dependencies have ended, or None.

        A step is left out when it takes values from a step that has no result, or comes after one that was rejected,
        cancelled, failed, or itself left out. A step that only comes `after` a step whose condition was false runs.
        """
        roots = reference_roots(step)
        for name in sorted(dependencies(step) & self.steps.keys()):
            dependency, state = self.steps[name], self.state.steps[name]
            if state.status is StepStatus.DONE:
                continue
            skipped = state.status is StepStatus.SKIPPED
            stops = name in step.after and not dependency.optional and (not skipped or state.blocked)
            if name in roots or stops:
                return Blocked(f"it needs {name!r}, which was {state.status.value}", gap=not skipped or state.gap)
        return None

    def scope(self, roots: Iterable[str]) -> dict[str, ScopeEntry]:
        """What expressions may see, for these names."""
        entries: dict[str, ScopeEntry] = {}
        for name in sorted(roots):
            if name == "input":
                entries[name] = ScopeEntry(value=self.state.request.input)
            elif name in self.state.steps:
                entries[name] = self._entry(self.state.steps[name])
        return entries

    def _entry(self, step: StepState) -> ScopeEntry:
        """What a step is to expressions; once it is done, worked out once: each item of a list may ask for it."""
        if step.id not in self._entries:
            entry = _entry(self.state, step)
            if step.status is not StepStatus.DONE:
                return entry
            self._entries[step.id] = entry
        return self._entries[step.id]

    def result_keys(self) -> dict[str, list[str]]:
        """Step id → keys of its stored results, for the planner and the responder."""
        keys: dict[str, list[str]] = {}
        for name, state in self.state.steps.items():
            calls = calls_of(self.state, state)
            found = [call.result.key for call in calls if call.result is not None and call.result.key]
            if found:
                keys[name] = found
        return keys

    def fixed_results(self) -> dict[str, Any]:
        """Step id → results that no tool made: a person's answers and fixed fallback values."""
        return {
            name: call.result.value
            for name, state in self.state.steps.items()
            for call in state.calls
            if call.result is not None and not call.result.key
        }


def _entry(state: RunState, step: StepState) -> ScopeEntry:
    if step.status is not StepStatus.DONE:
        return ScopeEntry()
    results = done_results(calls_of(state, step))
    if step.items is None:
        single = results.get(None)
        if single is None:
            return ScopeEntry()
        return ScopeEntry(value=single.value) if single.inline else ScopeEntry(stored=single.key)
    items = [results.get(item) for item in range(step.items)]
    stored = sum(result.size for result in items if result is not None) > INLINE_BYTES
    if not stored and all(result is None or result.inline for result in items):
        return ScopeEntry(value=[None if result is None else result.value for result in items])
    return ScopeEntry(
        stored=[None if result is None else result.key for result in items],
        given={index: result.value for index, result in enumerate(items) if result is not None and not result.key},
    )


def done_results(calls: Iterable[CallState]) -> dict[int | None, Result | None]:
    """Item (None for a step without a list) → its result: the call's, else its fallback's."""
    return {call.item: call.result for call in calls if call.status is CallStatus.DONE}


def inline_scope(entries: dict[str, ScopeEntry]) -> dict[str, Any] | None:
    """The scope as plain values, or None when a value is stored outside history."""
    if any(entry.stored is not None for entry in entries.values()):
        return None
    return {name: entry.value for name, entry in entries.items()}


def roots_of(*values: Any) -> frozenset[str]:
    """The names that the references and expressions in these values start from."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, str):
            found |= expressions.roots(value)
        for _, expression in expressions.references(value):
            found |= expressions.roots(expression)
    return frozenset(found)


def revise(state: RunState, plan: Plan) -> None:
    """Put a revised plan in place: steps that ended stay and never run again; the others make room for the new ones."""
    state.first_plan = state.first_plan or state.plan
    state.revision += 1
    ended = {name: step for name, step in state.steps.items() if step.status.ended}
    old = [step for step in (state.plan.steps if state.plan else []) if step.id in ended]
    state.steps = ended
    state.plan = Plan(
        goal=plan.goal or (state.plan.goal if state.plan else ""), steps=[*old, *plan.steps], needs=plan.needs
    )


def limit_error(message: str, step: str | None = None) -> ErrorPayload:
    """The error of a run that meets one of its limits."""
    return ErrorPayload(type=ErrorType.LIMIT_REACHED, message=message, step=step, attempts=0, next="the step ends")
