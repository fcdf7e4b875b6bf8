"""The contracts of a run: what starts it, what it is, what it ends with. All are plain JSON in Temporal history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from plangate.agents import Limits
from plangate.approvals import ApprovalDecision, ApprovalRequest, Receipt
from plangate.compensation import Compensated
from plangate.errors import ErrorPayload
from plangate.forecasts import Forecast
from plangate.packing import PackedCalls
from plangate.plans import Plan
from plangate.policy import Action, Verdict
from plangate.preflight import PreflightRules
from plangate.tool_policy import ToolPolicy

WORKFLOW = "AgentRun"
TASK_QUEUE = "plangate"
MAX_VERDICTS = 100
"""Verdicts that a run keeps."""
INLINE_BYTES = 64 * 1024
"""A result larger than this is stored in the database and enters history as a reference."""


class Outcome(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    DEGRADED = "degraded"
    """Completed with gaps: the answer says what is missing."""
    DECLINED = "declined"
    """Out of scope, or refused by a guardrail; nothing was done."""
    REJECTED = "rejected"
    """A person said no to something that the run needed, or didn't answer in time."""
    ESCALATED = "escalated"
    """Handed over to a person."""
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """What a run is doing."""

    ADMITTING = "admitting"
    PLANNING = "planning"
    EXECUTING = "executing"
    WAITING = "waiting for approval"
    PAUSED = "paused"
    ANSWERING = "answering"
    UNDOING = "undoing"
    """It failed or was cancelled, and undoes its effects."""
    ENDED = "ended"


class RunRequest(BaseModel):
    """What a caller asks for: the input of the workflow `AgentRun`, apart from `carried`."""

    model_config = ConfigDict(frozen=True)

    agent: str = ""
    request: str = ""
    """What the person wrote."""
    user: str | None = None
    session: str | None = None
    plan: dict[str, Any] | None = None
    """The caller's own plan; it is validated and gated like a model's."""
    input: dict[str, Any] = Field(default_factory=dict)
    """Structured input that plans can refer to as `input`."""
    stream: bool = False
    """Somebody watches: the answer's text is streamed through the answering activity's heartbeats."""


class CallStatus(StrEnum):
    """Where one call stands."""

    BINDING = "binding"
    WAITING = "waiting for approval"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting for approval"
    DONE = "done"
    SKIPPED = "skipped"
    """Its condition was false, or it needs a step that has no result."""
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self not in (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.WAITING)


class Result(BaseModel):
    """A call's result: the value itself when it is small, always the key under which it is stored."""

    key: str = ""
    """Idempotency key of the call, and the key of the stored result."""
    size: int = 0
    """Bytes of JSON."""
    inline: bool = True
    value: Any = None
    preview: str = ""
    """The first characters of a result that isn't inline."""


class CallState(BaseModel):
    """One call: of a step, of an item of a `for_each` step, or of a step's fallback."""

    id: str
    status: CallStatus = CallStatus.BINDING
    item: int | None = None
    fallback: bool = False
    tool: str = ""
    summary: str = ""
    result: Result | None = None
    error: ErrorPayload | None = None
    gate: str | None = None
    args: dict[str, Any] | None = None
    """The bound arguments, where the tool has a compensation that needs them."""
    args_key: str = ""
    """Where they are stored when they are too large for history."""
    args_index: int | None = None
    """Which of a stored list they are, when the run carried a long list into a new history."""
    same: str = ""
    """The same for calls of one tool with the same arguments, where the scope bounds how many there may be."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    blocked_since: datetime | None = None
    """When it began, if its dependency was found to be down since."""
    in_doubt: bool = False
    """With a dependency that is down: whether an earlier attempt may have taken effect."""
    nth: int = 0
    """Which call of the tool in this run it is, from 1, where the scope limits that."""
    early_since: datetime | None = None
    """Since when it waits for its turn."""
    failed: int = 0
    """Attempts that failed before it had to wait for its turn: they count."""


class StepState(BaseModel):
    """One step of the plan."""

    id: str
    revision: int = 0
    """The plan revision in which the step was born."""
    status: StepStatus = StepStatus.PENDING
    calls: list[CallState] = Field(default_factory=list)
    items: int | None = None
    """Number of items of a `for_each` step, once known."""
    items_ref: Result | None = None
    """The evaluated list."""
    packed: list[PackedCalls] = Field(default_factory=list)
    """Finished items of a long list while the state is carried into a new history; `calls` has the others."""
    reason: str = ""
    """Why it was skipped, failed or rejected."""
    blocked: bool = False
    """Skipped because of a step that it needs, not because its condition was false."""
    gap: bool = False
    """Skipped because of a step that failed or was refused: something is missing."""
    error: ErrorPayload | None = None

    @property
    def numbered_tools(self) -> list[tuple[str, int]]:
        """The tool of each call, and the call's number; of packed calls the tool and the highest number."""
        return [(call.tool, call.nth) for call in self.calls] + [(each.tool, each.nth) for each in self.packed]


class Usage(BaseModel):
    """Tokens and cost."""

    model_config = ConfigDict(frozen=True)

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced_calls: int = 0
    """Calls of models without a known price: their cost is unknown, not zero."""
    models: list[str] = Field(default_factory=list)
    cached_calls: int = 0
    """Calls that Plangate's own cache answered: they cost nothing."""

    def plus(self, other: Usage) -> Usage:
        """The sum."""
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=round(self.cost_usd + other.cost_usd, 9),
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
            models=[*self.models, *(m for m in other.models if m not in self.models)],
            cached_calls=self.cached_calls + other.cached_calls,
        )


class Event(BaseModel):
    """One line of a run's timeline."""

    at: datetime
    kind: str
    """`admitted`, `planned`, `started`, `done`, `failed`, `skipped`, `asked`, `decided`, `paused`, …"""
    text: str
    step: str | None = None


class RunState(BaseModel):
    """Everything a run knows, in one serialisable model; carried through continue-as-new."""

    request: RunRequest
    started_at: datetime
    phase: Phase = Phase.ADMITTING
    agent_version: str = ""
    namespace: str = "default"
    effect_identity: str = ""
    limits: Limits = Limits()
    verdict: Verdict | None = None
    plan: Plan | None = None
    tools: dict[str, ToolPolicy] = Field(default_factory=dict)
    revision: int = 0
    first_plan: Plan | None = None
    """Once the plan was revised: the first one, whole."""
    plain: bool = False
    """The answer is one that no model wrote, and isn't judged yet: nobody reads it."""
    message: str = ""
    """From the planner or admission: what to tell the user when nothing is done."""
    steps: dict[str, StepState] = Field(default_factory=dict)
    gates: dict[str, ApprovalRequest] = Field(default_factory=dict)
    """By call id."""
    gates_left: int = 0
    """Settled gates that only the database still has."""
    inbox: list[ApprovalDecision] = Field(default_factory=list)
    """Decisions that came in and aren't judged yet."""
    held: list[ApprovalDecision] = Field(default_factory=list)
    """Early decisions."""
    seen: dict[str, Receipt] = Field(default_factory=dict)
    """Receipts of the newest decisions that have an id of their own."""
    unrecorded: list[Receipt] = Field(default_factory=list)
    """Receipts that aren't in the database yet."""
    receipts: dict[str, int] = Field(default_factory=dict)
    """How many decisions ended in which `ReceiptStatus`."""
    judged: dict[str, int] = Field(default_factory=dict)
    """The same for each gate: call and status → how many."""
    calls: int = 0
    """Tool calls started."""
    waits: str = ""
    """What planning or answering waits for now, and until about when."""
    preflight: PreflightRules | None = None
    """Before which plans dependencies are looked at."""
    preflighted: int | None = None
    """The plan revision for which that is done."""
    usage: Usage = Usage()
    paused: bool = False
    cancelled_steps: list[str] = Field(default_factory=list)
    timeline: list[Event] = Field(default_factory=list)
    timeline_dropped: int = 0
    """Events of the timeline's beginning that are no longer kept here."""
    answer: str = ""
    outcome: Outcome | None = None
    error: ErrorPayload | None = None
    generation: int = 0
    """How often the run continued as new."""
    generations: dict[str, int] = Field(default_factory=dict)
    """Call id → how often a person had it done again: part of its idempotency key."""
    compensations: list[Compensated] = Field(default_factory=list)
    """After a failure or cancellation: what became of each effect."""
    resumed_from: list[str] = Field(default_factory=list)
    """The failed runs that this one goes on with, the first one first."""
    text: str = ""
    """The request's text as guardrails changed it; empty when it stands in `request` as it was written."""
    verdicts: list[Verdict] = Field(default_factory=list)
    """What guardrails said other than allow, in order, at most `MAX_VERDICTS`."""
    repairs: int = 0
    """How often plans were sent back to the planner with their mistakes."""
    confidence: float | None = None
    doubts: list[str] = Field(default_factory=list)
    forecast: Forecast | None = None

    away_since: datetime | None = None
    """Since when it waits for a person: a gate is open, or it is paused."""
    away_seconds: float = 0.0
    """How long it waited for people before that."""
    failed_in_row: int = 0
    """Steps that failed since the last one that was done."""
    done_before: int = 0
    """Steps that were done when the plan was revised last."""
    stale_revisions: int = 0
    """Revised plans in a row that got no step done."""
    plans: list[str] = Field(default_factory=list)
    """Fingerprints of the plans so far."""
    canned: dict[str, str] = Field(default_factory=dict)
    """The owner's own words for answers that no model writes, by what happened."""
    in_turn: bool = False
    """Local activities go one at a time (see `Admission.in_turn`)."""

    @property
    def asked(self) -> str:
        """The request's text that the run works with."""
        return self.text or self.request.request

    def add_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Keep what guardrails said; `allow` isn't kept."""
        told = [verdict for verdict in verdicts if verdict.action is not Action.ALLOW]
        self.verdicts.extend(told[: max(0, MAX_VERDICTS - len(self.verdicts))])


class RunInput(RunRequest):
    """The workflow's input: a request, and after continue-as-new the state."""

    carried: RunState | None = None
