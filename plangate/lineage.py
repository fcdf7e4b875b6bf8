"""What a run knows about where the arguments of a call come from, gathered for `plangate.flow`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plangate import expressions
from plangate.approvals import GateStatus
from plangate.carrying import calls_of
from plangate.naming import named_literals
from plangate.plans import Plan, Step
from plangate.provenance import Lineage
from plangate.runs import RunRequest, RunState, StepState
from plangate.validation import reference_roots

MAX_STEPS = 200
"""Steps behind one call that are followed; with more, the rest counts as untrusted."""
MAX_FIRST = 50
"""Calls of the first plan that a revised call is compared with."""


def lineage_of(
    state: RunState, step: Step, tool: str, args: Mapping[str, Any], *, named: dict[tuple[str, bool], list[str]]
) -> Lineage:
    """What lies behind a call of a step (or of its fallback).

    Args:
        state: The run's state.
        step: The step.
        tool: The tool that is called.
        args: The arguments as the plan writes them.
        named: Kept between the calls of one plan: looking for each of a plan's literals takes its time, and is the
            same for all items of a list.
    """
    plan = state.plan or Plan()
    behind, complete = _behind(plan, step)
    mine = state.steps.get(step.id) or StepState(id=step.id)
    born = {each.id: state.steps[each.id].revision for each in behind if each.id in state.steps}
    before = [other for other in state.steps.values() if other.revision < mine.revision]
    read = dict.fromkeys(name for other in before for name, _ in other.numbered_tools)
    first = state.first_plan or plan
    which = (step.id, args is step.args)
    if which not in named:
        named[which] = named_literals([args, *(_written(each) for each in (*behind, step))], state.request)
    return Lineage(
        steps=behind,
        born={name: revision for name, revision in born.items() if revision},
        approved=[each.id for each in behind if _approved(state, each.id)],
        revision=mine.revision,
        read=list(read),
        faults=any(other.error is not None for other in before),
        first_tools=sorted(_tools(first)) if mine.revision else [],
        first_args=list(_arguments(first, tool))[:MAX_FIRST] if mine.revision else [],
        named=named[which],
        when=step.when,
        for_each=step.for_each,
        complete=complete,
    )


def plain_lineage(plan: Plan, step: Step, args: Mapping[str, Any], request: RunRequest) -> Lineage:
    """The same for a plan that hasn't begun to run."""
    behind, complete = _behind(plan, step)
    named = named_literals([args, *(_written(each) for each in (*behind, step))], request)
    return Lineage(steps=behind, named=named, when=step.when, for_each=step.for_each, complete=complete)


def _behind(plan: Plan, step: Step) -> tuple[list[Step], bool]:
    """The steps that a step's references and its condition lead to; and whether these are all."""
    steps = {each.id: each for each in plan.steps}
    wanted = _needs(step)
    found: dict[str, Step] = {}
    for name in wanted:
        if name in steps and name not in found and name != step.id:
            if len(found) >= MAX_STEPS:
                return list(found.values()), False
            found[name] = steps[name]
            wanted += _needs(steps[name])
    return list(found.values()), True


def _needs(step: Step) -> list[str]:
    when = expressions.roots(step.when) if step.when and not expressions.check(step.when) else frozenset()
    return sorted(reference_roots(step) | (when - {"input", "item", expressions.WHOLE}))


def _approved(state: RunState, name: str) -> bool:
    """Whether a person approved every call of a step."""
    if name in state.steps and any(not packed.gates_of for packed in state.steps[name].packed):
        return False
    calls = calls_of(state, state.steps[name]) if name in state.steps else []
    gates = (state.gates.get(call.id) for call in calls)
    return bool(calls) and all(gate is not None and gate.status is GateStatus.APPROVED for gate in gates)


def _tools(plan: Plan) -> set[str]:
    return {step.tool for step in plan.steps} | {
        step.fallback.tool for step in plan.steps if step.fallback and step.fallback.tool
    }


def _arguments(plan: Plan, tool: str) -> Iterator[dict[str, Any]]:
    for step in plan.steps:
        if step.tool == tool:
            yield step.args
        if step.fallback is not None and step.fallback.tool == tool:
            yield step.fallback.args


def _written(step: Step) -> list[Any]:
    fallback = [step.fallback.args, step.fallback.value] if step.fallback else []
    return [step.args, *fallback, *(expressions.literals(step.for_each) if step.for_each else [])]
