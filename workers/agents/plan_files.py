"""Reads plan files, checks them against an agent, and says where a person will be asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from activities.catalogue import LoadedAgent
from plangate import expressions, strictjson
from plangate.errors import InvalidInput, PlangateError
from plangate.plans import Plan, PlanProblem, Step
from plangate.policy import Action, Verdict
from plangate.problems import Problems
from plangate.validation import dependencies, validate_plan
from plangate.yaml_files import line_at, read_yaml

MAX_BYTES = 1_000_000
GATES = {Action.ALLOW: "by itself", Action.ASK: "asks first", Action.DRAFT: "drafts it", Action.BLOCK: "never"}


@dataclass(frozen=True)
class PlanFile:
    """A plan file as data, with the nodes that know the lines."""

    name: str
    data: Any
    node: yaml.Node | None = None


@dataclass(frozen=True)
class PlannedStep:
    """A step of a right plan: when it runs, and what the scope says of it."""

    step: Step
    wave: int
    """1 for the steps that can start at once, 2 for those that wait for these, and so on."""
    after: list[str]
    gate: str
    """`by itself`, `asks first` or `never`; or the rule when it depends on results."""
    verdict: Verdict | None


@dataclass(frozen=True)
class CheckedPlan:
    """A plan file, its mistakes with their lines, and when there are none its steps."""

    file: str
    problems: list[tuple[int | None, PlanProblem]]
    plan: Plan | None = None
    steps: list[PlannedStep] = field(default_factory=list)

    def data(self, agent: LoadedAgent) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": not self.problems,
            "file": self.file,
            "agent": agent.name,
            "agent_version": agent.version,
            "problems": [{**problem.model_dump(mode="json"), "line": line} for line, problem in self.problems],
            "goal": self.plan.goal if self.plan else "",
            "steps": [
                {
                    "id": each.step.id,
                    "title": each.step.title,
                    "tool": each.step.tool,
                    "wave": each.wave,
                    "after": each.after,
                    "when": each.step.when,
                    "for_each": each.step.for_each,
                    "optional": each.step.optional,
                    "gate": each.gate,
                    "verdict": each.verdict.model_dump(mode="json") if each.verdict else None,
                }
                for each in self.steps
            ],
        }


def read_plan(file: str) -> PlanFile:
    """Read a plan file, JSON or YAML; `-` is standard input.

    Raises:
        InvalidInput: When it can't be read.
    """
    try:
        content = sys.stdin.buffer.read(MAX_BYTES + 1) if file == "-" else _read(Path(file))
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"the plan file {file!r} can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"the plan file {file!r} is not UTF-8 text") from None
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"the plan file {file!r} is larger than {MAX_BYTES:,} bytes")
    problems = Problems()
    node, value = read_yaml(text, file, problems)
    if text.lstrip().startswith("{"):
        try:
            return PlanFile(file, strictjson.parse(text), node)
        except PlangateError as error:
            if problems or file.endswith(".json"):
                raise InvalidInput(f"the plan file {file!r} can't be read: {error.message}") from None
    if problems:
        details = [str(problem) for problem in problems.sorted()]
        raise InvalidInput(f"the plan file {file!r} can't be read: {details[0]}", details=details[1:])
    return PlanFile(file, _as_json(value, file), node)


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _as_json(value: Any, file: str) -> Any:
    """YAML's values as JSON has them: dates become texts, NaN and infinity are refused."""
    if wrong := strictjson.not_finite(value):
        raise InvalidInput(f"the plan file {file!r} holds a value that JSON doesn't have: {wrong}")
    try:
        return json.loads(json.dumps(value, default=lambda each: each.isoformat(), allow_nan=False))
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the plan file {file!r} holds a value that JSON doesn't have: {error}") from None


def check_plan(file: PlanFile, agent: LoadedAgent) -> CheckedPlan:
    """Check a plan against an agent."""
    plan, found = validate_plan(
        file.data,
        tools=agent.policies,
        schemas=agent.schemas,
        limits=agent.scope.limits,
        results=agent.results,
    )
    if plan is None or found:
        placed = [(_line(file, problem), problem) for problem in found]
        return CheckedPlan(file.name, sorted(placed, key=lambda pair: pair[0] or 0), plan)
    return CheckedPlan(file.name, [], plan, _planned(plan, agent))


def _line(file: PlanFile, problem: PlanProblem) -> int | None:
    if file.node is None:
        return None
    where: list[str | int] = []
    if problem.step is not None:
        steps = file.data["steps"]
        named = [i for i, step in enumerate(steps) if isinstance(step, dict) and step.get("id") == problem.step]
        where = ["steps", named[0] if named else int(problem.step.lstrip("#")) - 1]
    for part in problem.where.replace("[", ".[").split("."):
        where.append(int(part[1:-1]) if part.startswith("[") and part[1:-1].isdigit() else part)
    return line_at(file.node, tuple(where))


def _planned(plan: Plan, agent: LoadedAgent) -> list[PlannedStep]:
    """The steps in the order in which they can start."""
    waves: dict[str, int] = {}
    steps = {step.id: step for step in plan.steps}

    while len(waves) < len(steps):
        for step in plan.steps:
            needed = dependencies(step) & steps.keys()
            if step.id not in waves and needed <= waves.keys():
                waves[step.id] = 1 + max((waves[name] for name in needed), default=0)
    planned = []
    for step in sorted(plan.steps, key=lambda step: waves[step.id]):
        verdict = step_verdict(agent, step.tool, step.args)
        gate = GATES.get(verdict.action, verdict.action.value) if verdict else agent.scope.tools[step.tool].rule.text
        planned.append(PlannedStep(step, waves[step.id], sorted(dependencies(step) & steps.keys()), gate, verdict))
    return planned


def step_verdict(agent: LoadedAgent, tool: str, args: Mapping[str, Any]) -> Verdict | None:
    """What the scope says of a step; None when that depends on the results of earlier steps."""
    rule = agent.scope.tools[tool].rule
    fields = {condition.field.partition(".")[0] for condition in rule.when}
    if any(True for name in fields for _ in expressions.references(args.get(name))):
        return None
    properties = agent.schemas[tool].get("properties", {})
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    return agent.verdict(tool, {**defaults, **args})
