"""Gates: what is asked, what people answer, and the one rule book that says what an answer changes.

A decision is bound to one call and to the SHA-256 of its exact arguments. Anything else — unknown, stale, duplicate,
late, malformed — changes nothing and is recorded as such.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from plangate.provenance import Provenance
from plangate.strictjson import not_finite

MIN_DIGEST = 16
"""Hexadecimal digits of the arguments' SHA-256 that a decision has to name at least (64 is all of it)."""


class DecisionAction(StrEnum):
    """What a person can say."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"
    """Approve with other arguments."""
    RESPOND = "respond"
    """Don't call the tool; the person's answer is the step's result."""


class GateStatus(StrEnum):
    """Where a gate stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    RESPONDED = "responded"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """The plan changed or the run ended before anyone decided."""


class ReceiptStatus(StrEnum):
    """What became of a decision."""

    APPLIED = "applied"
    HELD = "held"
    """Early: its gate isn't open yet. Applied when the gate opens for exactly these arguments."""
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    STALE = "stale"
    """It names other arguments than the ones that wait."""
    LATE = "late"
    """The gate had been decided, had expired or was withdrawn."""
    INVALID = "invalid"
    """Malformed, or an edit that the tool's schema or the policy refuses."""


class ApprovalDecision(BaseModel):
    """What a person answers. Signals `approve`, `reject`, `edit`, `respond` set `action` by their name."""

    model_config = ConfigDict(frozen=True)

    approval: str = ""
    """The approval's id: `RUN/CALL`, or just `CALL`."""
    action: DecisionAction = DecisionAction.APPROVE
    digest: str = ""
    """SHA-256 of the arguments that the person saw, or its first 16 digits or more. `reject` may leave it out."""
    by: str = ""
    """Who decides. Over a plain signal this is a claim, not a proof."""
    reason: str = ""
    args: dict[str, Any] | None = None
    """With `edit`: the arguments to use instead, all of them."""
    response: Any = None
    """With `respond`: the step's result."""
    id: str = ""
    """Chosen by the sender; the same id twice is one decision."""

    @property
    def not_finite(self) -> str:
        """A number in its arguments or response that JSON doesn't have, and where; empty if there is none."""
        return not_finite({"args": self.args, "response": self.response})


class ApprovalRequest(BaseModel):
    """A gate: the question, and once there is one, the answer."""

    model_config = ConfigDict(frozen=True)

    id: str
    """`RUN/CALL`."""
    run: str
    call: str
    step: str
    title: str = ""
    tool: str
    tool_version: str = ""
    agent: str = ""
    agent_version: str = ""
    """Digest of the agent folder: scope (policy), prompts, tools."""
    user: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    """The bound arguments: validated, with defaults."""
    digest: str
    """SHA-256 of the bound arguments' canonical JSON."""
    rule: str = ""
    reason: str = ""
    """Why a person is asked."""
    provenance: list[Provenance] = Field(default_factory=list)
    """Where each argument comes from."""
    risk: str = ""
    revision: int = 0
    opened_at: datetime
    deadline: datetime
    """By workflow time."""
    status: GateStatus = GateStatus.PENDING
    decided_at: datetime | None = None
    decision: ApprovalDecision | None = None
    edits: list[str] = Field(default_factory=list)
    """What an edit changed, one line a field: `amount: 80 → 60`."""
    draft: bool = False
    """The agent only prepares this call: a person does it, and answers with what came of it."""

    @property
    def settled(self) -> bool:
        """Whether it no longer waits."""
        return self.status is not GateStatus.PENDING


class Receipt(BaseModel):
    """What became of one decision. Returned by the update `decide`."""

    model_config = ConfigDict(frozen=True)

    status: ReceiptStatus
    approval: str = ""
    message: str = ""
    """For people: what was done or why nothing was."""
    decision: ApprovalDecision = ApprovalDecision()
    at: datetime | None = None
    problems: list[str] = Field(default_factory=list)
    edits: list[str] = Field(default_factory=list)
    number: int = 0
    """How many decisions of its gate (or, without one, of its run) had come to this status, with it: tells equal ones
    apart."""


class ApprovalGrant(BaseModel):
    """The proof that a tool activity gets and checks again against what it is about to do."""

    model_config = ConfigDict(frozen=True)

    approval: str
    run: str
    call: str
    tool: str
    tool_version: str
    agent_version: str
    digest: str
    by: str = ""
    decided_at: datetime
    expires_at: datetime
    rule: str = ""
    """The rules that the person was told of, with spaces between them."""


def judge(gate: ApprovalRequest | None, decision: ApprovalDecision, *, now: datetime) -> tuple[ReceiptStatus, str]:
    """What a decision would change: `APPLIED` or the reason why nothing. Pure; the same for signals and updates.

    Args:
        gate: The gate that the decision names, if there is one.
        decision: What came in.
        now: Workflow time.
    """
    if gate is None:
        return ReceiptStatus.UNKNOWN, f"there is no approval {decision.approval!r} in this run; see `plangate inbox`"
    if gate.settled:
        return _judge_settled(gate, decision)
    if now >= gate.deadline:
        return ReceiptStatus.LATE, f"the approval {gate.id} expired at {gate.deadline.isoformat(timespec='seconds')}"
    if decision.action is not DecisionAction.REJECT and len(decision.digest) < MIN_DIGEST:
        return ReceiptStatus.INVALID, (
            f"a decision names the digest of the arguments it is about: {gate.digest}, or its first {MIN_DIGEST} digits"
        )
    if decision.digest and not gate.digest.startswith(decision.digest.lower()):
        return ReceiptStatus.STALE, (
            f"the decision is about other arguments ({decision.digest[:16]}…) than what waits ({gate.digest[:16]}…)"
        )
    if gate.draft and decision.action in (DecisionAction.APPROVE, DecisionAction.EDIT):
        return ReceiptStatus.INVALID, (
            f"{gate.tool} is only drafted here: do it and say with `plangate respond` what came of it, or reject"
        )
    if decision.action is DecisionAction.EDIT and decision.args is None:
        return ReceiptStatus.INVALID, "an edit gives the arguments to use instead, as an object in `args`"
    if decision.action is DecisionAction.RESPOND and decision.response is None:
        return ReceiptStatus.INVALID, "a response gives the step's result in `response`"
    return ReceiptStatus.APPLIED, ""


def _judge_settled(gate: ApprovalRequest, decision: ApprovalDecision) -> tuple[ReceiptStatus, str]:
    done = gate.decision
    when = gate.decided_at.isoformat(timespec="seconds") if gate.decided_at else "before"
    by = f" by {done.by}" if done and done.by else ""
    message = f"the approval {gate.id} was already {gate.status.value}{by} at {when}; nothing was changed"
    return (
        ReceiptStatus.DUPLICATE if done is not None and _says(done) == _says(decision) else ReceiptStatus.LATE
    ), message


def _says(decision: ApprovalDecision) -> tuple[Any, ...]:
    return decision.action, decision.by, decision.args, decision.response


_STATUS = {
    DecisionAction.APPROVE: GateStatus.APPROVED,
    DecisionAction.EDIT: GateStatus.APPROVED,
    DecisionAction.REJECT: GateStatus.REJECTED,
    DecisionAction.RESPOND: GateStatus.RESPONDED,
}


def settle(gate: ApprovalRequest, decision: ApprovalDecision, *, now: datetime) -> ApprovalRequest:
    """The gate after a decision that `judge` found to apply."""
    return gate.model_copy(update={"status": _STATUS[decision.action], "decision": decision, "decided_at": now})


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What an edit changes, one line a field."""
    lines = []
    for name in [*old, *(key for key in new if key not in old)]:
        if (name in old, old.get(name)) != (name in new, new.get(name)):
            before = repr(old[name]) if name in old else "(not given)"
            after = repr(new[name]) if name in new else "(not given)"
            lines.append(f"{name}: {before} → {after}")
    return lines
