"""What a run says of itself: its steps, where it is, how it ended."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from plangate.approvals import ApprovalRequest
from plangate.compensation import Compensated
from plangate.errors import ErrorPayload
from plangate.forecasts import Forecast
from plangate.policy import Verdict
from plangate.runs import Outcome, Phase, StepStatus, Usage


class StepReport(BaseModel):
    """A step, for people and programs outside."""

    id: str
    title: str
    tool: str
    status: StepStatus
    summary: str = ""
    """The call in words."""
    optional: bool = False
    calls: int = 0
    done_calls: int = 0
    reason: str = ""
    when: str = ""
    """Its condition, as the plan has it; when that was not met, `reason` says so in words."""
    revision: int = 0
    error: ErrorPayload | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class RunStatus(BaseModel):
    """Answer of the query `status`."""

    run: str
    agent: str
    agent_version: str = ""
    user: str | None = None
    request: str = ""
    phase: Phase
    outcome: Outcome | None = None
    goal: str = ""
    revision: int = 0
    steps: list[StepReport] = Field(default_factory=list)
    pending: list[ApprovalRequest] = Field(default_factory=list)
    usage: Usage = Usage()
    started_at: datetime | None = None
    answer: str = ""
    error: ErrorPayload | None = None
    events: int = 0
    """Length of the timeline."""
    waits: str = ""
    """What the run as a whole waits for, and until about when; a step's own wait is its reason."""
    confidence: float | None = None
    """0 to 1, once a model has written the answer."""
    doubts: list[str] = Field(default_factory=list)
    """Why the confidence isn't 1."""


class RunResult(BaseModel):
    """What a run ends with: the workflow's result, or the detail of its failure."""

    run: str
    agent: str
    agent_version: str = ""
    user: str | None = None
    session: str | None = None
    request: str = ""
    outcome: Outcome
    answer: str = ""
    summary: str = ""
    """Markdown: what was asked, planned, done, decided by whom, what failed, what it cost."""
    gaps: list[str] = Field(default_factory=list)
    steps: list[StepReport] = Field(default_factory=list)
    approvals: list[ApprovalRequest] = Field(default_factory=list)
    receipts: dict[str, int] = Field(default_factory=dict)
    usage: Usage = Usage()
    revision: int = 0
    error: ErrorPayload | None = None
    compensations: list[Compensated] = Field(default_factory=list)
    """After a failure or cancellation: which effects were undone, and which could not be and why."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    verdicts: list[Verdict] = Field(default_factory=list)
    """What guardrails said other than allow."""
    confidence: float | None = None
    """0 to 1: how far the answer can be relied on, by rules; None when no model wrote one."""
    doubts: list[str] = Field(default_factory=list)
    """Why the confidence isn't 1."""
    forecast: Forecast | None = None
    """Tokens and cost as they were forecast before any model call; `usage` has what they were."""
