"""What a workflow knows of a tool in order to call it. It goes into history; the tool itself never does."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from plangate.breakers import OnOpen
from plangate.compensation import Compensation

if TYPE_CHECKING:
    pass


class Effect(StrEnum):
    """What a call does to the world."""

    READ = "read"
    """Changes nothing."""
    WRITE = "write"
    """Changes only what belongs to the run or can be undone at no cost, for example a draft."""
    CONSEQUENTIAL = "consequential"
    """Changes something outside: send, pay, refund, delete, book, publish."""


class Idempotency(StrEnum):
    """How a call is kept from taking effect twice (design, invariant 2)."""

    NATURAL = "natural"
    """Doing it twice is the same as once."""
    KEY = "key"
    """The far side de-duplicates by `ToolContext.idempotency_key`."""
    LEDGER = "ledger"
    """The effect, the ledger row and the use of the approval commit in one transaction of the project's database."""
    CHECK = "check"
    """Sent once; after a crash or time-out the tool's read-back tells whether it happened."""


class RetrySettings(BaseModel):
    """Temporal's retry policy for a tool; `max_attempts` counts the first try."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: int = Field(default=4, ge=1, le=100)
    initial_seconds: float = Field(default=1.0, gt=0, le=3600)
    backoff: float = Field(default=2.0, ge=1, le=10)
    max_seconds: float = Field(default=60.0, gt=0, le=86400)


class ToolPolicy(BaseModel):
    """What a workflow needs to know to call a tool. Goes into history; never the tool itself."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str = ""
    """Digest of the tool's name, schema, settings and source."""
    effect: Effect = Effect.CONSEQUENTIAL
    idempotency: Idempotency = Idempotency.NATURAL
    timeout_seconds: float = 30.0
    """Start to close: one attempt."""
    total_seconds: float = 300.0
    """Schedule to close: all attempts and the waits between them."""
    heartbeat_seconds: float | None = None
    retries: RetrySettings = RetrySettings()
    dependency: str = ""
    """The host or service that this tool depends on."""
    on_open: OnOpen = OnOpen.WAIT
    """What a step does while that is down."""
    summary: str = ""
    """A format string over the arguments, for people."""
    compensation: Compensation | None = None
    """How its effect is undone when the run fails or is cancelled afterwards."""
    rule: str = "ask"
    """The scope file's rule in short: `allow`, `ask`, `draft`, `never`, or `when` for one that depends on the arguments
    or on limits."""
    counted: bool = False
    """The scope limits how often a run calls it: the workflow numbers its calls."""
    guarded: bool = False
    """An argument may never hold text of others: each call is looked at, whatever its effect."""
