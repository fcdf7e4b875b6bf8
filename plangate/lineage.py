"""What a run knows about where the arguments of a call come from, gathered for `plangate.flow`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plangate import expressions
from plangate.approvals import GateStatus
from plangate.carrying import calls_of
from plangate.deciding import Guards, condition_roots, guards_of
from plangate.first_plan import Places, places
from plangate.naming import named_literals, only_the_person
from plangate.plans import Plan, Step
from plangate.provenance import Lineage
from plangate.runs import RunRequest, RunState, StepState
from plangate.validation import reference_roots

MAX_STEPS = 200
"""Steps behind one call that are followed; with more, the rest counts as untrusted."""


@dataclass
class Memory:
    """What is the same for all calls of one plan, found out once."""

    named: dict[tuple[str, bool], list[str]] = field(default_factory=dict)
    person: dict[tuple[str, bool], list[str]] = field(default_factory=dict)
    guards: Guards | None = None
    places: Places | None = None


def lineage_of(state: RunState, step: Step, tool: str, args: Mapping[str, Any], *, memory: Memory) -> Lineage:
    """What lies behind a call of a step (or of its fallback).

    Args:
        state: The run's state.
        step: The step.
        tool: The tool that is called.
        args: The arguments as the plan writes them.
        memory: Kept between the calls of one plan.
    """
    plan = state.plan or Plan()
    if memory.guards is None:
        memory.guards = guards_of(plan)
    if memory.places is None:
        memory.places = places(state) if state.revision else {}
    guards = memory.guards.get(step.id, frozenset())
    behind, complete = _behind(plan, step, guards)
    mine = state.steps.get(step.id) or StepState(id=step.id)
    born = {each.id: state.steps[each.id].revision for each in behind if each.id in state.steps}
    before = [other for other in state.steps.values() if other.revision < mine.revision]
    read = dict.fromkeys(name for other in before for name, _ in other.numbered_tools)
    which = (step.id, args is step.args)
    if which not in memory.named:
        memory.named[which] = named_literals([args, *(_written(each) for each in (*behind, step))], state.request)
        memory.person[which] = only_the_person(memory.named[which], state.request)
    return Lineage(
        steps=behind,
        born={name: revision for name, revision in born.items() if revision},
        approved=[each.id for each in behind if _decided(state, each.id, GateStatus.APPROVED)],
        decided=[each.id for each in behind if _decided(state, each.id, GateStatus.APPROVED, GateStatus.RESPONDED)],
        revision=mine.revision,
        read=list(read),
        faults=any(other.error is not None for other in before),
        first_tools=sorted(_tools(state.first_plan or plan)) if mine.revision else [],
        first=memory.places.get((step.id, tool)) if mine.revision else None,
        named=memory.named[which],
        person=memory.person[which],
        when=step.when,
        for_each=step.for_each,
        guards=sorted(guards),
        instead_of=_instead_of(step, args),
        complete=complete,
    )


def plain_lineage(plan: Plan, step: Step, args: Mapping[str, Any], request: RunRequest) -> Lineage:
    """The same for a plan that hasn't begun to run."""
    guards = guards_of(plan).get(step.id, frozenset())
    behind, complete = _behind(plan, step, guards)
    named = named_literals([args, *(_written(each) for each in (*behind, step))], request)
    return Lineage(
        steps=behind,
        named=named,
        person=only_the_person(named, request),
        when=step.when,
        for_each=step.for_each,
        guards=sorted(guards),
        instead_of=_instead_of(step, args),
        complete=complete,
    )


def _instead_of(step: Step, args: Mapping[str, Any]) -> dict[str, Any] | None:
    """With a step's fallback: what the step was called with before."""
    return step.args if step.fallback is not None and args is step.fallback.args else None


def _behind(plan: Plan, step: Step, guards: frozenset[str]) -> tuple[list[Step], bool]:
    """The steps that a step's references, its condition and its guards lead to; and whether these are all."""
    steps = {each.id: each for each in plan.steps}
    wanted = [*_needs(step), *sorted(guards)]
    found: dict[str, Step] = {}
    for name in wanted:
        if name in steps and name not in found and name != step.id:
            if len(found) >= MAX_STEPS:
                return list(found.values()), False
            found[name] = steps[name]
            wanted += _needs(steps[name])
    return list(found.values()), True


def _needs(step: Step) -> list[str]:
    return sorted(reference_roots(step) | condition_roots(step))


def _decided(state: RunState, name: str, *how: GateStatus) -> bool:
    """Whether a person decided every call of a step so."""
    if name in state.steps and any(not packed.gates_of for packed in state.steps[name].packed):
        return False
    calls = calls_of(state, state.steps[name]) if name in state.steps else []
    gates = (state.gates.get(call.id) for call in calls)
    return bool(calls) and all(gate is not None and gate.status in how for gate in gates)


def _tools(plan: Plan) -> set[str]:
    return {step.tool for step in plan.steps} | {
        step.fallback.tool for step in plan.steps if step.fallback and step.fallback.tool
    }


def _written(step: Step) -> list[Any]:
    fallback = [step.fallback.args, step.fallback.value] if step.fallback else []
    conditions = [each for one in (step.for_each, step.when) if one for each in expressions.literals(one)]
    return [step.args, *fallback, *conditions]
