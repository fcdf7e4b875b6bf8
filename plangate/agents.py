"""What an agent is to the rest of the system: contracts only; folders are read by `activities.catalogue`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from plangate.action_limits import ActionLimit
from plangate.declining import DeclinedTopic
from plangate.forecasts import Forecast
from plangate.guardrails import GuardrailSettings
from plangate.paces import ModelPace, Pace
from plangate.plans import Plan
from plangate.policy import Rule, Verdict
from plangate.preflight import PreflightRules
from plangate.reaching import Reached
from plangate.spending import SpendingLimit
from plangate.tool_policy import ToolPolicy


class Limits(BaseModel):
    """The bounds of one run; from the scope file's table of limits."""

    model_config = ConfigDict(frozen=True)

    request_characters: int = Field(default=4000, ge=1, le=1_000_000)
    plan_steps: int = Field(default=25, ge=1, le=1000)
    tool_calls: int = Field(default=100, ge=1, le=100_000)
    revisions: int = Field(default=2, ge=0, le=20)
    parallel: int = Field(default=8, ge=1, le=200)
    """Calls in flight at most; calls that wait at a gate don't count."""
    items: int = Field(default=200, ge=1, le=10_000)
    """Items of a `for_each` step at most."""
    decision_seconds: float = Field(default=86400.0, gt=0, le=365 * 86400)
    """Time to decide; then the gate expires, which counts as a rejection."""
    run_seconds: float = Field(default=0.0, ge=0, le=30 * 86400)
    """Time that a run may work, without the time in which it waits for people; 0 for no limit, as with those below."""
    failures_in_row: int = Field(default=0, ge=0, le=100)
    """Steps that fail one after the other, without one that is done between them."""
    identical_calls: int = Field(default=0, ge=0, le=10_000)
    """Steps that call the same tool with the same arguments, over all revisions."""
    stale_revisions: int = Field(default=0, ge=0, le=20)
    """Revised plans in a row that got no step done."""
    reached: dict[str, Reached] = Field(default_factory=dict)
    """What happens when a limit is reached, by its field, where it isn't the usual."""

    def then(self, field: str) -> Reached:
        """What happens when a limit is reached."""
        return self.reached.get(field) or _USUALLY.get(field, Reached.HAND_OVER)


_USUALLY = {"revisions": Reached.FAIL, "no_model": Reached.FAIL, "run_seconds": Reached.PARTIAL}
"""Never change these: histories rely on them. What a scope file leaves out is in `plangate.scope_limits`."""


class ScopeTool(BaseModel):
    """One line of the scope file's table of tools."""

    model_config = ConfigDict(frozen=True)

    name: str
    does: str = ""
    rule: Rule
    accepts: list[str] = Field(default_factory=list)
    """Arguments that may hold text of others."""
    never: list[str] = Field(default_factory=list)
    """Arguments that may never hold it."""
    line: int = 0


class Scope(BaseModel):
    """A scope file, read."""

    model_config = ConfigDict(frozen=True)

    title: str = ""
    text: str = ""
    """The whole file as its owner wrote it; the planner's prompt contains it."""
    sections: dict[str, str] = Field(default_factory=dict)
    """Prose by heading in lower case: `purpose`, `what it accepts`, …"""
    tools: dict[str, ScopeTool] = Field(default_factory=dict)
    declines: list[DeclinedTopic] = Field(default_factory=list)
    """What is declined before any model is asked."""
    websites: list[str] = Field(default_factory=list)
    """Domains that may be read from; `*.` before one means all below it."""
    limits: Limits = Limits()
    guardrails: GuardrailSettings = GuardrailSettings()
    actions: list[ActionLimit] = Field(default_factory=list)
    spending: list[SpendingLimit] = Field(default_factory=list)
    answers: dict[str, str] = Field(default_factory=dict)
    """The owner's own words for answers that no model writes, by outcome."""

    def actions_of(self, tool: str) -> list[ActionLimit]:
        """The limits of a tool's single calls."""
        return [limit for limit in self.actions if limit.tool == tool]


class ScopeProblem(BaseModel):
    """One mistake of a file of an agent folder."""

    model_config = ConfigDict(frozen=True)

    file: str
    line: int | None = None
    problem: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.problem}"


class ModelSettings(BaseModel):
    """Which model does what; names are pinned versions. A list names fallbacks in their order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: str | list[str] = ""
    answer: str | list[str] = ""
    screen: str | list[str] = ""

    @field_validator("plan", "answer", "screen")
    @classmethod
    def _names(cls, value: str | list[str]) -> str | list[str]:
        if isinstance(value, list) and (not value or not all(each.strip() for each in value)):
            raise ValueError("a list of models has at least one, and none without a name")
        return value


class CacheSettings(BaseModel):
    """For how many seconds an answer of a model may be used again for exactly the same question; 0 for never."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: float = Field(default=0, ge=0, le=30 * 86400)
    answer: float = Field(default=0, ge=0, le=30 * 86400)
    shared: bool = False
    """Plans may be used again for another user. Answers never are."""


class PresidioSettings(BaseModel):
    """With which models Presidio reads answers. What it looks for stands in the scope file, since that is policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, str] = Field(min_length=1)
    """spaCy pipelines by language (`en`): the name of an installed package, or a folder, from the agent's own on."""
    score: float = Field(default=0.5, gt=0, le=0.85)
    """How sure Presidio has to be of what it found. What a model finds counts 0.85, so above that no name would be."""

    @field_validator("models")
    @classmethod
    def _languages(cls, value: dict[str, str]) -> dict[str, str]:
        for language, model in value.items():
            if not re.fullmatch(r"[a-z]{2,3}", language):
                raise ValueError(f"{language!r} is no language: write its code, for example `en: en_core_web_sm`")
            if not model.strip():
                raise ValueError(f"the model for {language!r} is empty: write a package's name or a folder")
        return value


class AgentSettings(BaseModel):
    """`agent.yaml`: what a developer sets. What the agent may do stands in `scope.md`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(default="", max_length=200)
    description: str = Field(default="", max_length=2000)
    models: ModelSettings = ModelSettings()
    cache: CacheSettings = CacheSettings()
    settings: dict[str, str] = Field(default_factory=dict)
    """Handed to tools as `ctx.settings`; `PLANGATE_<AGENT>_<NAME>` in the environment overrides them."""
    examples: list[str] = Field(default_factory=list)
    """Requests that people can try."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    dependencies: dict[str, Pace] = Field(default_factory=dict)
    """Limits of what the tools depend on, by name; all agents and workers together keep them."""
    model: ModelPace = ModelPace()
    """Limits of the models' endpoint."""
    preflight: PreflightRules = PreflightRules()
    """Before which plans dependencies are looked at."""
    presidio: PresidioSettings | None = None
    """How Presidio reads answers, where the scope file wants that."""
    answer_schema: dict[str, Any] | None = None
    """A JSON schema: answers are JSON of this shape then, for programs that read them."""


class Admission(BaseModel):
    """Result of the activity `admit`: what the run may do, as data in history."""

    agent: str
    agent_version: str
    namespace: str = "default"
    limits: Limits = Limits()
    verdict: Verdict
    plan: Plan | None = None
    """The caller's plan, validated."""
    tools: dict[str, ToolPolicy] = Field(default_factory=dict)
    """Policies of the tools that the caller's plan uses."""
    message: str = ""
    """When refused: what to tell the user."""
    preflight: PreflightRules | None = None
    """Before which plans dependencies are looked at; None for none."""
    verdicts: list[Verdict] = Field(default_factory=list)
    """What input guardrails said other than allow; `verdict` is the strictest of all."""
    request: str = ""
    """The request's text as guardrails changed it; empty when they left it as it was."""
    answers: dict[str, str] = Field(default_factory=dict)
    """The owner's own words for answers that no model writes, by outcome."""
    forecast: Forecast | None = None
    """Tokens and cost, by what is known before any model call."""
    doubts: list[str] = Field(default_factory=list)
    """What input guardrails doubt: the answer's confidence is less for it."""
    in_turn: bool = False
    """Whether the run's local activities go one at a time. Two at once end in two activations, and are replayed in one,
    in which what they wake comes in another order. Runs that were admitted by older workers have them at once."""


class AgentSummary(BaseModel):
    """For `plangate agents list` and `show`."""

    name: str
    title: str = ""
    description: str = ""
    version: str = ""
    tools: list[dict[str, Any]] = Field(default_factory=list)
    limits: Limits = Limits()
    examples: list[str] = Field(default_factory=list)
    problems: list[ScopeProblem] = Field(default_factory=list)
