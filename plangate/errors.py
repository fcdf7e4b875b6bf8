"""Every error Plangate knows, in one enum, and the payload that describes one.

    PlangateError            an error with an `ErrorType`; its text says what was attempted, why it failed, what to do
    ├── InvalidInput         bad input from a person or a caller
    └── ToolError            (in `plangate.toolkit`) what a tool raises

Branch on `ErrorType` and its `ErrorKind`, never on the text.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ErrorKind(StrEnum):
    """What can be done about an error."""

    TRANSIENT = "transient"
    """Worth trying again: Temporal retries."""
    PERMANENT = "permanent"
    """Trying again can't help: the step ends."""
    BUSINESS = "business"
    """The far side said no for a reason of its own: the planner sees it and can react."""
    POLICY = "policy"
    """A rule or a person said no."""
    BUG = "bug"
    """A defect of Plangate or of an agent's code."""


class ErrorType(StrEnum):
    """The type of every failure, the same in history, logs, the database, the CLI and what the planner sees."""

    RATE_LIMITED = "RateLimited"
    UNAVAILABLE = "Unavailable"
    TIMEOUT = "Timeout"
    NETWORK = "Network"

    INVALID_INPUT = "InvalidInput"
    UNKNOWN_AGENT = "UnknownAgent"
    BROKEN_AGENT = "BrokenAgent"
    UNKNOWN_TOOL = "UnknownTool"
    INVALID_PLAN = "InvalidPlan"
    INVALID_ARGUMENTS = "InvalidArguments"
    INVALID_RESULT = "InvalidResult"
    RESULT_TOO_LARGE = "ResultTooLarge"
    RESPONSE_DRIFT = "ResponseDrift"
    UNRESOLVED_REFERENCE = "UnresolvedReference"
    AUTHENTICATION = "Authentication"
    QUOTA_EXHAUSTED = "QuotaExhausted"
    PERMANENT = "Permanent"
    MODEL_REFUSED = "ModelRefused"
    MODEL_MALFORMED = "ModelMalformed"
    MODEL_EMPTY = "ModelEmpty"
    IDEMPOTENCY_CONFLICT = "IdempotencyConflict"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    CANCELLED = "Cancelled"

    BUSINESS = "Business"

    REJECTED = "Rejected"
    EXPIRED = "Expired"
    NOT_APPROVED = "NotApproved"
    BLOCKED = "Blocked"
    LIMIT_REACHED = "LimitReached"
    DEPENDENCY_DOWN = "DependencyDown"

    BUG = "Bug"

    @property
    def kind(self) -> ErrorKind:
        """The kind of this type of error."""
        return _KINDS.get(self, ErrorKind.PERMANENT)


_KINDS: dict[ErrorType, ErrorKind] = {
    ErrorType.RATE_LIMITED: ErrorKind.TRANSIENT,
    ErrorType.UNAVAILABLE: ErrorKind.TRANSIENT,
    ErrorType.TIMEOUT: ErrorKind.TRANSIENT,
    ErrorType.NETWORK: ErrorKind.TRANSIENT,
    ErrorType.BUSINESS: ErrorKind.BUSINESS,
    ErrorType.REJECTED: ErrorKind.POLICY,
    ErrorType.EXPIRED: ErrorKind.POLICY,
    ErrorType.NOT_APPROVED: ErrorKind.POLICY,
    ErrorType.BLOCKED: ErrorKind.POLICY,
    ErrorType.LIMIT_REACHED: ErrorKind.POLICY,
    ErrorType.DEPENDENCY_DOWN: ErrorKind.POLICY,
    ErrorType.BUG: ErrorKind.BUG,
}


def error_type(name: str | None) -> ErrorType:
    """The `ErrorType` of that name; a name from elsewhere is `Permanent`."""
    try:
        return ErrorType(name or "")
    except ValueError:
        return ErrorType.PERMANENT


class ErrorPayload(BaseModel):
    """What went wrong, in one shape everywhere."""

    model_config = ConfigDict(frozen=True)

    type: ErrorType = ErrorType.PERMANENT
    message: str = ""
    """What was attempted, why it failed, what to do next."""
    attempted: str = ""
    """The activity or tool that was attempted."""
    step: str | None = None
    input: dict[str, Any] | None = None
    """The redacted arguments, when they are small."""
    attempts: int = 1
    next: str = ""
    """What happens next."""
    details: list[str] = Field(default_factory=list)
    """Further facts, for example every mistake of a plan."""
    guard: str = ""
    """The guardrail that refused, if one did."""
    rule: str = ""
    """Its rule."""
    unsure: bool = False
    """A consequential call may have taken effect, in this attempt or in an earlier one, whatever the type says."""


class PlangateError(Exception):
    """An error with a type.

    Args:
        message: What was attempted, why it failed, what to do next.
        type: The error's type.
        details: Further facts, one line each.
    """

    def __init__(
        self, message: str, *, type: ErrorType = ErrorType.PERMANENT, details: list[str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.details = details or []
        self.guard = self.rule = ""
        """The guardrail that refused, if one did, and its rule."""


class InvalidInput(PlangateError):
    """Bad input from a person or a caller: says what was wrong, where, and what to do."""

    def __init__(self, message: str, *, details: list[str] | None = None) -> None:
        super().__init__(message, type=ErrorType.INVALID_INPUT, details=details)
