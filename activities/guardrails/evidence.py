"""What an answer may rely on: read once per answer, for all output guardrails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from activities.prompts.planner import Agent
from plangate.provenance import Trust
from plangate.tasks import RespondTask

MAX_DEPTH = 60
"""Levels of a result that are looked into."""


@dataclass(frozen=True)
class Evidence:
    """The results of a run and what was asked.

    Attributes:
        request: What the person wrote, as the run worked with it.
        user: Who asks; an e-mail address or another name.
        input: The run's structured input.
        today: The date of the run, `YYYY-MM-DD`.
        results: Results by step id, whole: none is shortened for a prompt.
        tools: Step id → name of the tool that gave its result; a person's answer in a step's place has no tool.
        trust: Step id → whose words its result holds.
        memo: What guardrails have read from it, by their own names: a streamed answer is judged again and again.
    """

    request: str
    user: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    today: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    trust: Mapping[str, Trust] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, agent: Agent, task: RespondTask, results: Mapping[str, Any]) -> Evidence:
        """Put it together.

        Args:
            agent: The agent, for where its tools' results come from.
            task: What the workflow asks.
            results: Results by step id, whole, and what people answered in a step's place.
        """
        tools = {report.id: report.tool for report in task.steps if report.id not in task.answers}
        return cls(
            request=task.request,
            user=task.user,
            input=task.input,
            today=task.today,
            results=results,
            tools=tools,
            trust={step: _trust(agent, tools.get(step)) for step in results},
        )

    @cached_property
    def leaves(self) -> list[tuple[str, Any]]:
        """Step id and value of every text, number and truth value in the results, in their order."""
        return [(step, value) for step, result in self.results.items() for value in values_in(result)]

    @cached_property
    def passages(self) -> list[tuple[str, str]]:
        """Step id and text of everything that was read in documents: the passages of the knowledge base."""
        return [
            (step, value)
            for step, value in self.leaves
            if isinstance(value, str) and self.trust.get(step) is Trust.DOCUMENT
        ]


def values_in(value: Any, depth: int = 0) -> Iterator[Any]:
    """The texts, numbers and truth values in a result, the names of fields excluded."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        if depth < MAX_DEPTH:
            for each in value:
                yield from values_in(each, depth + 1)
    elif value is not None:
        yield value


def _trust(agent: Agent, tool: str | None) -> Trust:
    """Whose words a step's result holds; a person's answer is trusted, an unknown tool's result isn't."""
    if tool is None:
        return Trust.TRUSTED
    found = agent.tools.get(tool)
    return found.settings.returns.get("*", Trust.UNTRUSTED) if found else Trust.UNTRUSTED
