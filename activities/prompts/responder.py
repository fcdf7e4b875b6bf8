"""The answering model's prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activities.prompts.planner import Agent
from activities.prompts.sections import (
    context_section,
    dumps,
    fixed_text,
    instructions,
    json_section,
    text_section,
    whose_words,
)
from plangate.run_status import StepReport
from plangate.tasks import RespondTask
from plangate.toolkit import Tool

_MAY_ANSWER = "what it may answer"


def responder_instructions(agent: Agent) -> str:
    """The part of the prompt that is the same for every run of an agent's version."""
    may = agent.scope.sections.get(_MAY_ANSWER, "")
    scope = f"# What you may answer\n\n{may.strip()}" if may.strip() else ""
    schema = agent.settings.answer_schema
    form = "Write the answer as one JSON object of this schema, and nothing else:"
    shape = f"# Form\n\n{form}\n\n{dumps(schema)}" if schema else ""
    return instructions(agent.name, "answer", agent.responder_prompt, scope, fixed_text("answer.md"), shape)


def responder_message(task: RespondTask, results: Mapping[str, Any], tools: Mapping[str, Tool] | None = None) -> str:
    """The user's message: `<context>`, `<request>`, `<results>`.

    Args:
        task: What the workflow asks.
        results: Results by step id, shortened.
        tools: The agent's tools, for where results come from.
    """
    found = {
        "goal": task.goal,
        "outcome": task.outcome.value,
        "gaps": task.gaps,
        "steps": [_step(report, results.get(report.id), tools or {}) for report in task.steps],
    }
    return "\n".join(
        [
            context_section(today=task.today, user=task.user, input={}),
            text_section("request", task.request),
            json_section("results", found),
        ]
    )


def _step(report: StepReport, result: Any, tools: Mapping[str, Tool]) -> dict[str, Any]:
    return {
        "id": report.id,
        "title": report.title,
        "tool": report.tool,
        "status": report.status.value,
        "summary": report.summary,
        "reason": report.reason,
        "from": whose_words(report.tool, tools),
        "result": result,
    }
