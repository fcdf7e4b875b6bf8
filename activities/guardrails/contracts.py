"""What a guardrail is, what it looks at and what it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from activities.flowing import judge_flow
from activities.guardrails.forecasting import Forecasts
from activities.prompts.planner import Agent
from plangate.errors import PlangateError
from plangate.policy import Verdict
from plangate.provenance import Provenance
from plangate.runs import RunRequest
from plangate.tasks import BindTask, RespondTask, ToolCall
from plangate.toolkit import Tool

if TYPE_CHECKING:
    from activities.catalogue import LoadedAgent
    from activities.spending import Spending


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

    agent: LoadedAgent
    tool: Tool
    args: Mapping[str, Any]
    """Validated, with defaults; empty when there are mistakes."""
    task: BindTask | ToolCall | None = None
    """The run, its user and where the arguments come from: while they are bound, or as the tool's activity has it. None
    when a plan is checked without a run."""
    mistakes: PlangateError | None = None
    """Why the arguments can't be bound."""
    spending: Spending | None = None
    """The budgets, where there is a database."""
    scope: Mapping[str, Any] = field(default_factory=dict)
    """The values that references in the arguments find."""

    @property
    def user(self) -> str | None:
        """Who asked for the run."""
        return self.task.user if self.task else None

    @property
    def nth(self) -> int:
        """Which call of the tool in its run this is, from 1; 0 where nobody counts."""
        return self.task.nth if self.task else 0

    @cached_property
    def flowing(self) -> tuple[Verdict | None, list[Provenance]]:
        """What the rules of information flow say, and where each argument comes from."""
        task = self.task
        if not isinstance(task, BindTask) or task.lineage is None:
            return None, []
        return judge_flow(self.agent, task.tool, task.args, task.lineage, self.scope)


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
        alone: Of an action guardrail: whether the others aren't asked when it blocks, since there is nothing that they
            could look at.
    """

    name: str
    check: Callable[[Subject], Said | Awaitable[Said]]
    rules: tuple[str, ...]
    about: str
    beginnings: bool = False
    alone: bool = False

    @property
    def kind(self) -> Kind:
        """When it is asked."""
        return Kind(self.name.split(".", 1)[0])
