"""Makes plans, tools and states for the tests of this folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from plangate.agents import Limits
from plangate.plans import Plan, PlanProblem
from plangate.runs import RunRequest, RunState
from plangate.tool_policy import Effect, ToolPolicy
from plangate.validation import validate_plan

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOOLS = {
    "find": ToolPolicy(name="find", effect=Effect.READ, rule="allow"),
    "refund": ToolPolicy(name="refund"),
    "erase": ToolPolicy(name="erase", rule="never"),
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "find": {"properties": {"q": {}, "limit": {"type": "integer", "minimum": 1}}},
    "refund": {
        "$defs": {"Money": {"type": "object", "properties": {"value": {"type": "number", "maximum": 100}}}},
        "properties": {"order": {"type": "string"}, "money": {"$ref": "#/$defs/Money"}},
        "required": ["order"],
    },
    "erase": {"properties": {}},
}


def check(data: object, **options: Any) -> tuple[Plan | None, list[PlanProblem]]:
    limits = options.pop("limits", Limits())
    return validate_plan(data, tools=TOOLS, schemas=SCHEMAS, limits=limits, **options)


def mistakes(*steps: Any, **options: Any) -> list[str]:
    return [str(problem) for problem in check({"steps": list(steps)}, **options)[1]]


def step(id: str, tool: str = "find", **fields: Any) -> dict[str, Any]:
    return {"id": id, "tool": tool, **fields}


def state_of(plan: Plan | dict[str, Any], **fields: Any) -> RunState:
    made = plan if isinstance(plan, Plan) else Plan.model_validate(plan)
    return RunState(request=RunRequest(agent="a", request="r", input={"n": 1}), started_at=NOW, plan=made, **fields)


@st.composite
def dags(draw: st.DrawFn, max_steps: int = 9) -> dict[str, Any]:
    """A plan that is right: each step may need earlier ones, in every way that the language has."""
    count = draw(st.integers(0, max_steps))
    steps: list[dict[str, Any]] = []
    for number in range(count):
        fields: dict[str, Any] = {"args": {}, "after": []}
        for earlier in draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else ():
            name = f"s{earlier}"
            match draw(st.sampled_from(["args", "after", "when", "fallback"])):
                case "args":
                    fields["args"] = {"q": [fields["args"], {"$ref": f"{name}.items[?id == `1`] | [0]"}]}
                case "after":
                    fields["after"].append(name)
                case "when":
                    fields["when"] = f"length({name}.items) > `0`"
                case "fallback":
                    fields["fallback"] = {"value": {"$ref": name}}
        steps.append(step(f"s{number}", optional=draw(st.booleans()), **fields))
    return {"goal": "g", "steps": draw(st.permutations(steps))}
