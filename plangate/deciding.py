"""Which conditions decide, beside a step's own, whether it is done: a step that needs a skipped one is skipped. Pure.

A step that takes values from another one, or whose condition looks at it, isn't done (or not the same) when that one's
condition is false. One that only comes `after` it is done all the same, unless that one was left out for want of
another. A step that fails is a different matter: people are told of it.
"""

from __future__ import annotations

from plangate import expressions
from plangate.plans import Plan, Step
from plangate.validation import dependencies, reference_roots

MAX_GUARDS = 100
"""Conditions of other steps that are kept apart for a step."""
TOO_MANY = "*"
"""Stands for those beyond."""

Guards = dict[str, frozenset[str]]
"""Step → ids of the steps whose conditions decide about it, its own left aside."""


def condition_roots(step: Step) -> frozenset[str]:
    """The names that a step's own condition looks at."""
    if not step.when or expressions.check(step.when):
        return frozenset()
    return expressions.roots(step.when) - {"input", "item", expressions.WHOLE}


def guards_of(plan: Plan) -> Guards:
    """The guards of all steps of a plan; nothing is kept for the many steps that have none."""
    steps = {step.id: step for step in plan.steps}
    if not any(step.when for step in plan.steps):
        return {}
    found: Guards = {}
    waiting: dict[str, int] = {}
    users: dict[str, list[str]] = {}
    for step in plan.steps:
        needs = (dependencies(step) & steps.keys()) - {step.id}
        waiting[step.id] = len(needs)
        for name in needs:
            users.setdefault(name, []).append(step.id)
    row = [name for name, count in waiting.items() if not count]
    while row:
        step = steps[row.pop()]
        guards: set[str] = set()
        taken = (reference_roots(step) | condition_roots(step)) & steps.keys()
        for name in taken:
            guards |= found.get(name, frozenset()) | ({name} if steps[name].when else frozenset())
        for name in (steps.keys() & set(step.after)) - taken:
            guards |= frozenset() if steps[name].optional else found.get(name, frozenset())
        if guards:
            found[step.id] = frozenset(guards) if len(guards) <= MAX_GUARDS else frozenset((TOO_MANY,))
        for user in users.get(step.id, ()):
            waiting[user] -= 1
            if not waiting[user]:
                row.append(user)
    return found
