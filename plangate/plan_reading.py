"""Reads a plan from data: right in form, or every mistake with its place and what is allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from plangate.plans import MAX_STEPS, Fallback, Plan, PlanProblem, Step


def read_plan(data: object) -> Plan | list[PlanProblem]:
    """The plan, or every mistake in its form."""
    if not isinstance(data, dict):
        kind = type(data).__name__
        return [PlanProblem(problem=f"a plan is an object with `goal` and `steps`, not a {kind}")]
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        return [_schema_problem(data, issue) for issue in error.errors(include_url=False)]


def _schema_problem(data: Mapping[str, Any], issue: Any) -> PlanProblem:
    location = [part for part in issue["loc"] if part != "__root__"]
    step: str | None = None
    if len(location) >= 2 and location[0] == "steps" and isinstance(location[1], int):
        step = _name_of(data, location[1])
        location = location[2:]
    message = str(issue["msg"])
    if issue["type"] == "extra_forbidden":
        in_fallback = step is not None and len(location) > 1 and location[0] == "fallback"
        allowed = (Fallback if in_fallback else Step if step else Plan).model_fields
        message = f"there is no such field{nearest(str(location[-1]), allowed)}; fields are {', '.join(allowed)}"
    return PlanProblem(step=step, where=".".join(map(str, location)), problem=message)


def _name_of(data: Mapping[str, Any], index: int) -> str:
    steps = data.get("steps")
    entry = steps[index] if isinstance(steps, list) and index < len(steps) else None
    name = entry.get("id") if isinstance(entry, dict) else None
    return name if isinstance(name, str) and name else f"#{index + 1}"


def sound_steps(data: object) -> tuple[Plan, frozenset[str]]:
    """Of a plan with mistakes in form: the steps that are right in form, and the ids of the others."""
    given = data.get("steps") if isinstance(data, dict) else None
    steps: list[Step] = []
    broken: set[str] = set()
    for entry in given[:MAX_STEPS] if isinstance(given, list) else []:
        try:
            steps.append(Step.model_validate(entry))
        except ValidationError:
            name = entry.get("id") if isinstance(entry, dict) else None
            broken |= {name} if isinstance(name, str) else set()
    return Plan(steps=steps), frozenset(broken)


def nearest(name: str, names: Collection[str]) -> str:
    """`, did you mean 'x'?` when a name is close to one of those known, else nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""
