"""The contracts of a run's activities: what the workflow gives them, and what they give back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from plangate.approvals import ApprovalGrant, ApprovalRequest, Receipt
from plangate.errors import ErrorPayload
from plangate.pacing import Wait
from plangate.plans import Plan
from plangate.policy import Verdict
from plangate.provenance import Lineage, Provenance
from plangate.run_status import RunResult, StepReport
from plangate.runs import Outcome, Result, RunState, Usage
from plangate.tool_policy import ToolPolicy


class ScopeEntry(BaseModel):
    """One name in the scope of references: a value, or where the value is stored."""

    value: Any = None
    stored: str | list[str | None] | None = None
    """Key of a stored result, or for a `for_each` step the keys of its items (None for an item without a result)."""
    index: int | None = None
    """Take this element of the stored list (for `item`)."""
    given: dict[int, Any] = Field(default_factory=dict)
    """Items whose value isn't stored: a person's answers and fixed fallback values."""


class PlanTask(BaseModel):
    """Input of the activity `make_plan`."""

    run: str
    agent: str
    agent_version: str = ""
    request: str
    user: str | None = None
    session: str | None = None
    input: dict[str, Any] = Field(default_factory=dict)
    today: str = ""
    revision: int = 0
    plan: Plan | None = None
    """With a revision: the plan so far."""
    steps: list[StepReport] = Field(default_factory=list)
    results: dict[str, list[str]] = Field(default_factory=dict)
    """Step id → keys of its stored results."""
    why: str = ""
    """With a revision: what happened."""
    failed: int = 0
    """Attempts that failed before the activity had to wait for its turn."""
    rounds: int = 0
    """How often it had to wait."""


class PlanOutcome(BaseModel):
    """Result of `make_plan`."""

    action: str
    """`plan`, `decline` or `hand_over`."""
    message: str = ""
    plan: Plan | None = None
    tools: dict[str, ToolPolicy] = Field(default_factory=dict)
    usage: Usage = Usage()
    verdict: Verdict | None = None
    repairs: int = 0
    early: Wait | None = None
    """There is no plan yet, since it is not its turn."""
    fell_back: list[str] = Field(default_factory=list)
    """Which models were not to be had, in words."""


class BindTask(BaseModel):
    """Input of the local activity `bind_call`: resolve, validate and default the arguments; say what policy says."""

    run: str
    agent: str
    agent_version: str = ""
    user: str | None = None
    step: str
    call: str
    tool: str
    args: dict[str, Any]
    scope: dict[str, ScopeEntry] = Field(default_factory=dict)
    when: str | None = None
    gate: ApprovalRequest | None = None
    """With an edit: the gate whose arguments change. Nothing is recorded then."""
    key: str = ""
    """Idempotency key of the call; arguments too large for history are stored under it."""
    opened_at: datetime | None = None
    deadline: datetime | None = None
    risk: str = ""
    revision: int = 0
    nth: int = 0
    """Which call of the tool in this run it is, from 1, where the scope limits that."""
    session: str | None = None
    lineage: Lineage | None = None
    """Where the arguments come from. None for an edit, which is a person's, and for undoing, which is the tool's."""


class Bound(BaseModel):
    """Result of `bind_call`."""

    args: dict[str, Any] = Field(default_factory=dict)
    args_key: str = ""
    """Where the arguments are stored when they are too large for history; `args` is empty then."""
    digest: str = ""
    verdict: Verdict
    summary: str = ""
    risk: str = ""
    problems: list[str] = Field(default_factory=list)
    error: ErrorPayload | None = None
    provenance: list[Provenance] = Field(default_factory=list)
    """With a gate: where each argument comes from."""
    untrusted: list[str] = Field(default_factory=list)
    """Arguments that hold text of others."""
    verdicts: list[Verdict] = Field(default_factory=list)
    """What each guardrail said other than allow."""


class EvaluateTask(BaseModel):
    """Input of the local activity `evaluate`: an expression over results that aren't in history."""

    run: str
    step: str
    expression: str
    scope: dict[str, ScopeEntry] = Field(default_factory=dict)
    key: str = ""
    """Where to store a value that is too large for history."""
    keep: bool = False
    """Store it however small it is."""


class Evaluated(BaseModel):
    """Result of `evaluate`."""

    truth: bool = False
    items: int | None = None
    result: Result | None = None
    error: ErrorPayload | None = None


class ToolCall(BaseModel):
    """Input of a tool's activity, whose type is the tool's name."""

    run: str
    agent: str
    agent_version: str = ""
    step: str
    call: str
    tool: str
    tool_version: str = ""
    key: str
    args: dict[str, Any] = Field(default_factory=dict)
    args_key: str = ""
    """Where the arguments are stored when they are too large for history."""
    digest: str = ""
    """Of the bound arguments; empty when the activity binds them itself."""
    grant: ApprovalGrant | None = None
    resumed_from: list[str] = Field(default_factory=list)
    """Failed runs that this one goes on with: an approval given there holds here."""
    untrusted: list[str] = Field(default_factory=list)
    """Arguments that hold text of others, as binding found."""
    user: str | None = None
    session: str | None = None
    nth: int = 0
    """Which call of the tool in this run it is, from 1, where the scope limits that."""
    failed: int = 0
    """Attempts that failed before the call had to wait for its turn."""


class FreeTask(BaseModel):
    """Input of the local activity `free_places`: calls of a run that no longer wait for their turn."""

    run: str
    keys: list[str]


class EffectsTask(BaseModel):
    """Input of the local activity `find_effects`: calls of a run that were cut off."""

    run: str
    keys: list[str]


class EffectsFound(BaseModel):
    """What became of them, by their positions in the task, since keys differ where a history is replayed in another
    namespace. A position in neither had no effect."""

    done: dict[int, Result] = Field(default_factory=dict)
    unknown: list[int] = Field(default_factory=list)


class CallResult(BaseModel):
    """Result of a tool's activity: the tool's result, or the far side's no, or that no call was made."""

    result: Result | None = None
    error: ErrorPayload | None = None
    blocked_until: datetime | None = None
    """The tool wasn't called, since its dependency is down: when to try again."""
    reason: str = ""
    """Why it wasn't called."""
    dependency: str = ""
    in_doubt: bool = False
    """An earlier attempt may have taken effect."""
    failed: int = 0
    """Attempts of a call in doubt that were made before it had to wait: they count."""
    over: Verdict | None = None
    """The tool wasn't called, since a budget is used up: what that budget says."""
    early: Wait | None = None
    """The tool wasn't called, since it is not its turn yet."""

    @property
    def postponed(self) -> bool:
        """Whether the tool is to be called later."""
        return self.blocked_until is not None or self.early is not None


class RespondTask(BaseModel):
    """Input of the activity `respond`: references, not results."""

    run: str
    agent: str
    agent_version: str = ""
    request: str
    user: str | None = None
    session: str | None = None
    today: str = ""
    goal: str = ""
    outcome: Outcome
    steps: list[StepReport] = Field(default_factory=list)
    results: dict[str, list[str]] = Field(default_factory=dict)
    answers: dict[str, Any] = Field(default_factory=dict)
    """Step id → what a person answered in its place, and fixed fallback values."""
    gaps: list[str] = Field(default_factory=list)
    input: dict[str, Any] = Field(default_factory=dict)
    """The run's structured input: what output guardrails know of what was asked."""
    stream: bool = False
    repairs: int = 0
    """How often plans were sent back with their mistakes: a sign of how sure the planner was."""
    doubts: list[str] = Field(default_factory=list)
    """What input guardrails doubt."""
    failed: int = 0
    """Attempts that failed before the activity had to wait for its turn."""
    rounds: int = 0
    """How often it had to wait."""
    text: str = ""
    """Of `judge_plain`: an answer that no model wrote."""


class Answer(BaseModel):
    """Result of `respond`."""

    text: str
    usage: Usage = Usage()
    verdict: Verdict | None = None
    verdicts: list[Verdict] = Field(default_factory=list)
    """What output guardrails said other than allow."""
    confidence: float | None = None
    """0 to 1, by rules."""
    doubts: list[str] = Field(default_factory=list)
    """Why the confidence isn't 1."""
    hand_over: bool = False
    """The scope wants a person to take over, since the confidence is too low; `verdict` says so."""
    early: Wait | None = None
    """There is no answer yet, since it is not its turn."""
    fell_back: list[str] = Field(default_factory=list)
    """Which models were not to be had, in words."""


class RecordTask(BaseModel):
    """Input of the local activity `record`: the end of a run, and decisions, into the database."""

    run: str
    result: RunResult | None = None
    gates: list[ApprovalRequest] = Field(default_factory=list)
    receipts: list[Receipt] = Field(default_factory=list)
    state: RunState | None = None
    """Of a run that failed: kept in its dead letter."""


class Recorded(BaseModel):
    """Result of `record`."""

    alerts: list[str] = Field(default_factory=list)
    """What there is to say of the run's cost: it, or its agent's day, is dearer than usual."""
