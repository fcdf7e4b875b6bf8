"""The planner's prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from activities.models.contracts import OutputSchema
from activities.prompts.sections import (
    context_section,
    dumps,
    fixed_text,
    instructions,
    json_section,
    text_section,
    whose_words,
)
from plangate.agents import AgentSettings, Scope
from plangate.plans import Plan, PlanProposal
from plangate.result_forms import Form
from plangate.run_status import StepReport
from plangate.tasks import PlanTask
from plangate.tool_policy import ToolPolicy
from plangate.toolkit import Tool


class Agent(Protocol):
    """What the prompts need of an agent; `activities.catalogue.LoadedAgent` is one."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def settings(self) -> AgentSettings: ...  # noqa: D102
    @property
    def scope(self) -> Scope: ...  # noqa: D102
    @property
    def tools(self) -> dict[str, Tool]: ...  # noqa: D102
    @property
    def policies(self) -> dict[str, ToolPolicy]: ...  # noqa: D102
    @property
    def schemas(self) -> dict[str, dict[str, Any]]: ...  # noqa: D102
    @property
    def results(self) -> dict[str, Form]: ...  # noqa: D102
    @property
    def planner_prompt(self) -> str: ...  # noqa: D102
    @property
    def responder_prompt(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class PlannerPrompt:
    """The part of the prompt that is the same for every run of an agent's version."""

    plan: str
    revise: str

    @classmethod
    def of(cls, agent: Agent) -> PlannerPrompt:
        """Build it."""
        scope = f"# Scope of the agent\n\n{agent.scope.text.strip()}"
        tools = f"# Tools\n\n{describe_tools(agent)}"
        parts = (agent.planner_prompt, scope, tools, fixed_text("plan.md"))
        return cls(
            plan=instructions(agent.name, "plan", *parts),
            revise=instructions(agent.name, "revise", *parts, fixed_text("revise.md")),
        )


def describe_tools(agent: Agent) -> str:
    """The tools that may be planned: effect, the scope's rule in words, description, JSON schema of the arguments."""
    lines = []
    for name, tool in agent.tools.items():
        policy = agent.policies[name]
        if policy.rule == "never":
            continue
        entry = agent.scope.tools.get(name)
        rule = entry.rule.text if entry else "asks first"
        description = " ".join(tool.description.split())
        schema = dumps(without_titles(agent.schemas[name]))
        lines.append(f"## {name} ({policy.effect.value}, {rule})\n{description}\nArguments: {schema}")
    return "\n\n".join(lines) or "There are no tools: plan no steps."


def without_titles(schema: Any) -> Any:
    """A JSON schema without the titles that pydantic makes of names; a property called `title` stays."""
    if isinstance(schema, list):
        return [without_titles(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: without_titles(sub) for name, sub in value.items()}
        if key in ("properties", "$defs") and isinstance(value, dict)
        else without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


@cache
def proposal_schema() -> OutputSchema:
    """The structured output that the planner gives."""
    return OutputSchema("plan_proposal", without_titles(PlanProposal.model_json_schema()))


def planner_message(task: PlanTask, results: Mapping[str, Any], tools: Mapping[str, Tool] | None = None) -> str:
    """The user's message: `<context>`, `<request>`, and for a revision `<progress>`.

    Args:
        task: What the workflow asks.
        results: Results by step id, shortened.
        tools: The agent's tools, for where results come from.
    """
    parts = [
        context_section(today=task.today, user=task.user, input=task.input),
        text_section("request", task.request),
    ]
    if task.revision:
        parts.append(json_section("progress", _progress(task, results, tools or {})))
    return "\n".join(parts)


def _progress(task: PlanTask, results: Mapping[str, Any], tools: Mapping[str, Tool]) -> dict[str, Any]:
    plan = task.plan or Plan()
    return {
        "revision": task.revision,
        "why": task.why,
        "plan": plan.model_dump(mode="json", exclude_defaults=True),
        "steps": [_step(report, results.get(report.id), tools) for report in task.steps],
    }


def _step(report: StepReport, result: Any, tools: Mapping[str, Tool]) -> dict[str, Any]:
    return {
        "id": report.id,
        "title": report.title,
        "tool": report.tool,
        "status": report.status.value,
        "reason": report.reason,
        "error": report.error.message if report.error else None,
        "from": whose_words(report.tool, tools),
        "result": result,
    }


def mistakes_message(mistakes: list[str]) -> str:
    """What the planner is told when its answer can't be used."""
    lines = "\n".join(f"- {mistake}" for mistake in mistakes)
    return f"Your answer can't be used. Answer again with the whole corrected JSON object and nothing else.\n{lines}"
