"""What a guardrail is, what it looks at and what it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from activities.guardrails.forecasting import Forecasts
from activities.prompts.planner import Agent
from plangate.policy import Verdict
from plangate.runs import RunRequest
from plangate.tasks import BindTask, RespondTask
from plangate.toolkit import Tool, ToolPolicy


class Kind(StrEnum):
    """When a guardrail is asked."""

    INPUT = "input"
    """In `admit`, before any model call: the request."""
    ACTION = "action"
    """Before a call: its tool and bound arguments."""
    OUTPUT = "output"
    """In `respond`, after the model's answer: the answer."""


@dataclass(frozen=True)
class Asked:
    """What an input guardrail looks at."""

    agent: Agent
    text: str
    """The request, as the guardrails before this one left it."""
    request: RunRequest
    forecasts: Forecasts | None = None
    """None where nothing is known of models."""


@dataclass(frozen=True)
class Called:
    """What an action guardrail looks at: one call with its arguments as the tool would get them."""

    agent: Agent
    tool: Tool
    policy: ToolPolicy
    args: Mapping[str, Any]
    task: BindTask | None = None
    """The run, its user and where the arguments come from; None when a plan is checked without a run."""
    services: Mapping[str, Any] = field(default_factory=dict)
    """What guardrails with I/O need, by name (`store`); empty when a plan is checked without a run."""


@dataclass(frozen=True)
class Answered:
    """What an output guardrail looks at."""

    agent: Agent
    text: str
    """The answer, as the guardrails before this one left it."""
    task: RespondTask
    results: Mapping[str, Any] = field(default_factory=dict)
    """Results by step id, whole."""
    evidence: Any = None
    """What the answer may rely on, read once for all guardrails: an `activities.guardrails.evidence.Evidence`."""


@dataclass(frozen=True)
class Changed:
    """A guardrail's answer when it goes on with another text; the verdict's action is `change`."""

    text: str
    verdict: Verdict
    doubts: tuple[str, ...] = ()


Said = Verdict | Changed | Iterable[Verdict] | None
"""What a guardrail returns: a verdict, several, another text, or nothing when it has nothing against it."""

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Guardrail(Generic[Subject]):
    """One line of the registry. A scope file can switch off those in `plangate.guardrails.SWITCHES`.

    Attributes:
        name: `KIND.what`, the `guard` of its verdicts.
        check: The function. What it raises blocks: a guardrail fails closed.
        rules: Ids of the rules that its verdicts name, beginnings included (`injection.` for all of them).
        about: What it does, in one sentence that an owner understands.
        beginnings: Of an output guardrail: whether it can judge the beginning of an answer that is still being written,
            so that what people have read of it stays. Others keep an answer back until it is whole.
    """

    name: str
    check: Callable[[Subject], Said | Awaitable[Said]]
    rules: tuple[str, ...]
    about: str
    beginnings: bool = False

    @property
    def kind(self) -> Kind:
        """When it is asked."""
        return Kind(self.name.split(".", 1)[0])
