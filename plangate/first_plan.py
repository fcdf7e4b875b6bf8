"""Which call of a revised plan takes the place of which call of the first plan. Pure.

The first plan was made before anything was read. A later one may do again what didn't come off, with the same
arguments, as often as the first plan had it, and no more: what is done is done, and a person's no stays a no.
"""

from __future__ import annotations

from typing import Any

from plangate import strictjson
from plangate.carrying import calls_of
from plangate.naming import Told, can_be_named, literals_in
from plangate.plans import Plan, Step
from plangate.runs import CallStatus, RunState

MAX_FIRST = 50
"""Calls of the first plan, of one tool, that later ones are compared with."""

Places = dict[tuple[str, str], Step]
"""Step of a revision and tool → the first plan's step whose place it takes."""


def places(state: RunState) -> Places:
    """The places that the calls of all revisions take, in the order of their plans."""
    plan = state.plan or Plan()
    free: dict[str, list[Step]] = {}
    for step in (state.first_plan or plan).steps:
        for tool in _tools(step):
            if not _came_off(state, step.id, tool, revision=0):
                free.setdefault(tool, []).append(step)
    found: Places = {}
    told = Told(state.request)
    for step in plan.steps:
        entry = state.steps.get(step.id)
        if entry is None or not entry.revision:
            continue
        for tool in _tools(step):
            candidates = free.get(tool, [])[:MAX_FIRST]
            first = next((each for each in candidates if _takes(step, tool, each, told)), None)
            if first is None:
                continue
            found[step.id, tool] = first
            if entry.revision == state.revision or _came_off(state, step.id, tool, revision=entry.revision):
                free[tool].remove(first)
    return found


def arguments_of(step: Step, tool: str) -> dict[str, Any]:
    """What a step calls a tool with, itself or as its fallback."""
    if step.tool == tool or step.fallback is None:
        return step.args
    return step.fallback.args


def _tools(step: Step) -> list[str]:
    other = step.fallback.tool if step.fallback else None
    return [step.tool, *([other] if other and other != step.tool else [])]


def _came_off(state: RunState, name: str, tool: str, *, revision: int) -> bool:
    """Whether a call of a step was made, or a person said no to it."""
    entry = state.steps.get(name)
    if entry is None or entry.revision != revision:
        return False
    calls = [call for call in calls_of(state, entry) if call.tool == tool]
    return any(call.status is not CallStatus.FAILED for call in calls)


def _takes(step: Step, tool: str, first: Step, told: Told) -> bool:
    """Whether a call is the one of the first plan: nothing in it is new but what the request names."""
    if (step.when, step.for_each) != (first.when, first.for_each):
        return False
    mine, before = arguments_of(step, tool), arguments_of(first, tool)
    if before.keys() - mine.keys():
        return False
    return all(_is_known(value, before.get(name, []), told) for name, value in mine.items())


def _is_known(value: Any, before: Any, told: Told) -> bool:
    known = {strictjson.canonical(each) for each in literals_in(before)}
    return all(
        strictjson.canonical(each) in known or (can_be_named(each) and told.names(each)) for each in literals_in(value)
    )
