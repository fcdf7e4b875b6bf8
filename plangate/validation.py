"""Is this a plan that this agent may carry out? Finds every mistake at once, each with its step and reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from plangate import expressions
from plangate.agents import Limits
from plangate.fields import Fields
from plangate.plan_reading import nearest, read_plan, sound_steps
from plangate.plans import MAX_STEPS, RESERVED_NAMES, Plan, PlanProblem, Step
from plangate.result_forms import Form
from plangate.tool_policy import ToolPolicy

NOTHING_KNOWN: Mapping[str, Form] = {}


def validate_plan(
    data: object,
    *,
    tools: Mapping[str, ToolPolicy],
    schemas: Mapping[str, Mapping[str, Any]],
    limits: Limits,
    results: Mapping[str, Form] = NOTHING_KNOWN,
    known: Collection[str] = (),
    taken: Collection[str] = (),
    earlier: Iterable[Step] = (),
) -> tuple[Plan | None, list[PlanProblem]]:
    """Check a plan.

    Args:
        data: The plan as parsed JSON or YAML, or a `Plan`.
        tools: Every tool of the agent, by name.
        schemas: JSON schemas of their arguments, by tool name.
        limits: The agent's limits.
        results: What each tool declares to return; one that isn't here may return anything.
        known: Ids of steps of earlier revisions that ended; references may name them.
        taken: Ids that new steps may not use (all ids of earlier revisions that ended).
        earlier: Steps of earlier revisions whose results are what their tools returned.

    Returns:
        The plan, or None when it isn't even a plan in form, and all problems. The plan may run only if there are none.
    """
    ended, before = frozenset(taken) | frozenset(known), list(earlier)

    def check(plan: Plan, names: frozenset[str]) -> list[PlanProblem]:
        new = {step.id for step in plan.steps}
        fields = Fields([*(step for step in before if step.id not in new), *plan.steps], results)
        return list(_Check(plan, tools, schemas, limits, names, ended, fields).run())

    parsed = data if isinstance(data, Plan) else read_plan(data)
    if isinstance(parsed, Plan):
        return parsed, check(parsed, frozenset(known))
    sound, broken = sound_steps(data)
    return None, [*parsed, *check(sound, frozenset(known) | broken)]


def dependencies(step: Step) -> frozenset[str]:
    """Ids of the steps that a step needs: what its references, condition and list name, and `after`."""
    return reference_roots(step) | frozenset(step.after) | _roots_of(step.when)


def reference_roots(step: Step) -> frozenset[str]:
    """Ids of the steps whose results a step's arguments, list or fallback take values from."""
    found: set[str] = set(_roots_of(step.for_each))
    for _, expression in expressions.references(step.args):
        found |= _roots_of(expression)
    if step.fallback is not None:
        for _, expression in expressions.references([step.fallback.args, step.fallback.value]):
            found |= _roots_of(expression)
    return frozenset(found) - RESERVED_NAMES


def _roots_of(expression: str | None) -> frozenset[str]:
    if not expression or expressions.check(expression):
        return frozenset()
    return expressions.roots(expression) - RESERVED_NAMES - {expressions.WHOLE}


class _Check:
    """One pass over a plan that is right in form."""

    def __init__(
        self,
        plan: Plan,
        tools: Mapping[str, ToolPolicy],
        schemas: Mapping[str, Mapping[str, Any]],
        limits: Limits,
        known: frozenset[str],
        taken: frozenset[str],
        fields: Fields,
    ) -> None:
        self.fields = fields
        self.plan, self.tools, self.schemas, self.limits = plan, tools, schemas, limits
        self.taken = taken
        self.known = known
        self.ids = {step.id for step in plan.steps}

    def run(self) -> Iterator[PlanProblem]:
        if len(self.plan.steps) > self.limits.plan_steps:
            yield PlanProblem(
                where="steps",
                problem=f"{len(self.plan.steps)} steps are more than the scope's {self.limits.plan_steps}",
            )
        if len(self.plan.steps) + len(self.taken) > MAX_STEPS:
            problem = f"with the {len(self.taken)} steps that ended, these are more than the {MAX_STEPS} of any plan"
            yield PlanProblem(where="steps", problem=problem)
        yield from self._names()
        for step in self.plan.steps:
            yield from self._tool(step.id, "tool", step.tool)
            yield from self._arguments(step.id, "args", step.tool, step.args, loop=step.for_each)
            yield from self._expressions(step)
            yield from self._fallback(step)
        yield from self._cycles()

    def _names(self) -> Iterator[PlanProblem]:
        seen: set[str] = set()
        for step in self.plan.steps:
            if step.id in seen:
                yield PlanProblem(step=step.id, where="id", problem="this id stands twice; ids are unique in a plan")
            elif step.id in RESERVED_NAMES:
                yield PlanProblem(step=step.id, where="id", problem=f"{step.id!r} is reserved; choose another id")
            elif step.id in self.taken:
                yield PlanProblem(
                    step=step.id, where="id", problem="a step of this id has already ended; choose a new id"
                )
            seen.add(step.id)

    def _tool(self, step: str, where: str, name: str) -> Iterator[PlanProblem]:
        policy = self.tools.get(name)
        if policy is None:
            hint = nearest(name, self.tools)
            yield PlanProblem(
                step=step,
                where=where,
                problem=f"there is no tool {name!r}{hint}; tools are {', '.join(sorted(self.tools))}",
            )
        elif policy.rule == "never":
            yield PlanProblem(step=step, where=where, problem=f"the scope says that {name!r} is never used")

    def _arguments(
        self, step: str, where: str, tool: str, args: Mapping[str, Any], *, loop: str | None
    ) -> Iterator[PlanProblem]:
        for place, expression in expressions.references(args):
            yield from self._reference(step, f"{where}.{place}" if place else where, expression, loop=loop)
        schema = self.schemas.get(tool)
        if schema is None:
            return
        properties = schema.get("properties", {})
        for name in args:
            if name not in properties:
                allowed = ", ".join(properties) or "none"
                hint = nearest(name, properties)
                yield PlanProblem(
                    step=step, where=f"{where}.{name}", problem=f"{tool!r} has no such argument{hint}; it has {allowed}"
                )
        for name in schema.get("required", []):
            if name not in args:
                yield PlanProblem(step=step, where=f"{where}.{name}", problem=f"{tool!r} needs this argument")
        for name, value in args.items():
            if name in properties and not any(True for _ in expressions.references(value)):
                yield from self._literal(step, f"{where}.{name}", schema, properties[name], value)

    def _literal(
        self, step: str, where: str, schema: Mapping[str, Any], rule: Mapping[str, Any], value: Any
    ) -> Iterator[PlanProblem]:
        validator = Draft202012Validator({"$defs": schema.get("$defs", {}), **rule})
        for error in validator.iter_errors(value):
            path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
            yield PlanProblem(step=step, where=where + path, problem=error.message[:300])

    def _expressions(self, step: Step) -> Iterator[PlanProblem]:
        if step.when is not None:
            yield from self._reference(step.id, "when", step.when, loop=None)
        if step.for_each is not None:
            wrong = list(self._reference(step.id, "for_each", step.for_each, loop=None))
            if not wrong and (no_list := self.fields.no_list(step.for_each)):
                wrong = [PlanProblem(step=step.id, where="for_each", problem=no_list)]
            yield from wrong
        for name in step.after:
            if name not in self.ids | self.known or name == step.id:
                hint = nearest(name, self.ids | self.known)
                yield PlanProblem(step=step.id, where="after", problem=f"there is no other step {name!r}{hint}")

    def _reference(self, step: str, where: str, expression: str, *, loop: str | None) -> Iterator[PlanProblem]:
        if not expression:
            yield PlanProblem(
                step=step, where=where, problem='a reference is an object {"$ref": "<JMESPath>"} and no more'
            )
            return
        if problem := expressions.check(expression):
            yield PlanProblem(step=step, where=where, problem=f"{expression!r} is {problem}")
            return
        for root in sorted(expressions.roots(expression)):
            if root == expressions.WHOLE:
                yield PlanProblem(step=step, where=where, problem="name the step that you refer to instead of `@`")
            elif root == "item" and loop is None:
                yield PlanProblem(
                    step=step, where=where, problem="`item` is known only in the `args` of a `for_each` step"
                )
            elif root == step:
                yield PlanProblem(step=step, where=where, problem="a step can't refer to itself")
            elif root not in self.ids | self.known | RESERVED_NAMES:
                names = self.ids | self.known
                if root in ("null", "true", "false"):
                    yield PlanProblem(
                        step=step, where=where, problem=f"write {root} as a literal: `{root}` in backquotes"
                    )
                    continue
                yield PlanProblem(
                    step=step,
                    where=where,
                    problem=f"{expression!r} refers to {root!r}, which is no step{nearest(root, names)}",
                )
        for problem in self.fields.problems(expression, loop=loop):
            yield PlanProblem(step=step, where=where, problem=problem)

    def _fallback(self, step: Step) -> Iterator[PlanProblem]:
        fallback = step.fallback
        if fallback is None:
            return
        if fallback.tool is None:
            if fallback.args:
                yield PlanProblem(step=step.id, where="fallback.args", problem="arguments need a `tool`")
            if fallback.value is None:
                yield PlanProblem(step=step.id, where="fallback", problem="a fallback has a `tool` or a `value`")
            for place, expression in expressions.references(fallback.value):
                where = f"fallback.value.{place}" if place else "fallback.value"
                yield from self._reference(step.id, where, expression, loop=None)
            return
        yield from self._tool(step.id, "fallback.tool", fallback.tool)
        yield from self._arguments(step.id, "fallback.args", fallback.tool, fallback.args, loop=step.for_each)

    def _cycles(self) -> Iterator[PlanProblem]:
        """Kahn's algorithm; what is left over lies on a cycle or behind one."""
        needs: dict[str, set[str]] = {name: set() for name in self.ids}
        for step in self.plan.steps:
            needs[step.id] |= (dependencies(step) & self.ids) - {step.id}
        users: dict[str, list[str]] = {name: [] for name in needs}
        for name, deps in needs.items():
            for dep in deps:
                users[dep].append(name)
        free = [name for name, deps in needs.items() if not deps]
        while free:
            done = free.pop()
            for user in users[done]:
                needs[user].discard(done)
                if not needs[user]:
                    free.append(user)
        left = sorted(name for name, deps in needs.items() if deps)
        if left:
            yield PlanProblem(where="steps", problem=f"these steps wait for each other in a circle: {', '.join(left)}")
