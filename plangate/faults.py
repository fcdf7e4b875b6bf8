"""What a fault plan can break: kinds of faults, where a worker can be killed, which dependency knows which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong."""

    # Answers over the network.
    RATE_LIMITED = "rate_limited"
    """429 (SMTP: 450), with `Retry-After` by `retry_after`."""
    SERVER_ERROR = "server_error"
    """500 (SMTP: 451)."""
    UNAVAILABLE = "unavailable"
    """503 (SMTP: 421), with `Retry-After` when one is given."""
    HANG = "hang"
    """No reply for `seconds`, then the connection is closed."""
    SLOW = "slow"
    """The right reply after `seconds`."""

    # Of the model only.
    QUOTA_EXHAUSTED = "quota_exhausted"
    """429 with the code `insufficient_quota`: waiting doesn't help."""
    UNAUTHORIZED = "unauthorized"
    """401."""
    CUT = "cut"
    """The connection closes in the middle of the body or the stream."""
    NOT_JSON = "not_json"
    """A body that isn't JSON: a proxy's error page with status 200."""
    PROSE = "prose"
    """Plain words where JSON was asked for."""
    MALFORMED_JSON = "malformed_json"
    """The output stops half-way; the protocol around it is right."""
    WRONG_SCHEMA = "wrong_schema"
    """JSON that doesn't fit the schema."""
    UNKNOWN_TOOL = "unknown_tool"
    """A plan with a tool that doesn't exist."""
    REFUSAL = "refusal"
    EMPTY = "empty"
    """No text at all."""
    MEGABYTES = "megabytes"
    """An output of `megabytes` MB."""
    NOT_FINITE = "not_finite"
    """NaN and Infinity in the JSON."""
    DUPLICATE_KEYS = "duplicate_keys"
    DEEP = "deep"
    """JSON nested 5,000 levels deep."""

    # Of services and tools.
    RESET = "reset"
    """The connection is reset before anything was done."""
    DEAD = "dead"
    """The connection is reset, and new ones are refused for `seconds`."""
    DUPLICATE = "duplicate"
    """The far side gets the request twice."""
    DRIFT = "drift"
    """The answer has another shape: `drift` says how, `field` which field."""
    REJECTED = "rejected"
    """A clear no for good (SMTP: 550; a tool: permanent)."""
    EFFECT_THEN_TIMEOUT = "effect_then_timeout"
    """It happens; nobody is told."""
    EFFECT_THEN_ERROR = "effect_then_error"
    """It happens; the answer says 500 (SMTP: 451)."""
    EFFECT_THEN_RESET = "effect_then_reset"
    """It happens; then the connection is reset."""
    NETWORK = "network"
    """A tool: no connection."""
    TIMEOUT = "timeout"
    """A tool: no answer in time, at once."""
    BUSINESS = "business"
    """A tool: the far side says no for a reason of its own."""
    BUG = "bug"
    """A tool raises an error that nobody expects."""

    # Of the database.
    UNREACHABLE = "unreachable"
    """The connection is gone; with `seconds`, no other statement gets through so long."""
    DISK_FULL = "disk_full"
    CONFLICT = "conflict"
    """SQLite: `database is locked`; PostgreSQL: a serialization failure."""
    COMMIT_LATE = "commit_late"
    """It commits, and says so after `seconds`."""
    COMMIT_LOST = "commit_lost"
    """It commits, and the acknowledgement is lost."""

    # Of a worker.
    KILL = "kill"
    """SIGKILL to itself: nothing is flushed."""
    STALL = "stall"
    """The whole process stands still for `seconds`, then goes on as if nothing had happened."""


class KillPoint(StrEnum):
    """Moments at which a worker can be killed or stalled."""

    BEFORE_INTENT = "before-intent"
    AFTER_INTENT = "after-intent"
    """The ledger has the intent (mode `ledger`: in a transaction that isn't committed)."""
    AFTER_EFFECT = "after-effect"
    """The tool has returned; the ledger doesn't know."""
    AFTER_COMMIT = "after-commit"
    """The ledger says done."""
    BEFORE_COMPLETION = "before-completion"
    """The activity is about to report its result."""
    WAITING_AT_GATE = "waiting-at-gate"
    """A gate is open, and the server knows; `seconds` later (0.2)."""
    IN_SIGNAL_HANDLER = "in-signal-handler"
    """Handlers of signals or updates have run; the server hasn't heard what came of it."""
    IN_COMPENSATION = "in-compensation"
    """A call that undoes an effect has returned; the ledger doesn't know."""


DRIFTS = ("renamed", "retyped", "added")

_WIRE = frozenset({Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.HANG, Fault.SLOW})

_EFFECT_THEN = frozenset({Fault.EFFECT_THEN_TIMEOUT, Fault.EFFECT_THEN_ERROR})

_WORKFLOW_POINTS = (KillPoint.WAITING_AT_GATE, KillPoint.IN_SIGNAL_HANDLER)

_AFTER_COMMIT = frozenset({Fault.COMMIT_LATE, Fault.COMMIT_LOST})


@dataclass(frozen=True)
class Kind:
    """What can go wrong with a dependency.

    Attributes:
        faults: The faults there are.
        calls: What `call` may be; empty when it is any name.
        match: The further conditions there are.
        only: Faults that only some calls can have.
        needs_call: Whether a rule has to name its call.
    """

    faults: frozenset[Fault]
    calls: tuple[str, ...] = ()
    match: frozenset[str] = frozenset()
    only: Mapping[Fault, tuple[str, ...]] = field(default_factory=dict)
    needs_call: bool = False


_MODEL = frozenset(fault for fault in Fault if list(Fault).index(fault) < list(Fault).index(Fault.RESET))

_SERVICE = _WIRE | _EFFECT_THEN | {Fault.RESET, Fault.DEAD, Fault.DUPLICATE, Fault.EFFECT_THEN_RESET}

KINDS: dict[str, Kind] = {
    "model": Kind(
        faults=_MODEL,
        calls=("plan", "revise", "answer"),
        match=frozenset({"task", "agent", "model", "api", "stream", "contains", "repair"}),
    ),
    "payments": Kind(faults=_SERVICE | {Fault.DRIFT}, calls=("refund", "payment"), match=frozenset({"contains"})),
    "mail": Kind(
        faults=_SERVICE | {Fault.DRIFT, Fault.REJECTED},
        calls=("send", "lookup"),
        match=frozenset({"contains"}),
        only={Fault.DRIFT: ("lookup",), Fault.REJECTED: ("send",)},
    ),
    "database": Kind(
        faults=frozenset({Fault.UNREACHABLE, Fault.SLOW, Fault.DISK_FULL, Fault.CONFLICT}) | _AFTER_COMMIT,
        calls=("commit", "read", "write"),
        match=frozenset({"contains"}),
        only=dict.fromkeys(_AFTER_COMMIT, ("commit",)),
    ),
    "worker": Kind(
        faults=frozenset({Fault.KILL, Fault.STALL}),
        calls=tuple(KillPoint),
        match=frozenset({"tool", "agent", "mode", "run"}),
        only={Fault.STALL: (*(point for point in KillPoint if point not in _WORKFLOW_POINTS),)},
        needs_call=True,
    ),
}

TOOL = Kind(
    faults=(_WIRE - {Fault.SERVER_ERROR})
    | _EFFECT_THEN
    | {Fault.NETWORK, Fault.TIMEOUT, Fault.REJECTED, Fault.BUSINESS, Fault.BUG, Fault.DRIFT},
    match=frozenset({"tool", "agent", "run"}),
)
"""Any other dependency is one of tools, or a tool; its faults are injected in the worker, around its function."""

DELAYS = {
    Fault.HANG: 3600.0, Fault.EFFECT_THEN_TIMEOUT: 3600.0, Fault.SLOW: 1.0, Fault.DEAD: 10.0, Fault.UNREACHABLE: 0.0,
    Fault.COMMIT_LATE: 5.0, Fault.STALL: 15.0, Fault.KILL: 0.2,
}  # fmt: skip

OPTIONS: dict[str, frozenset[Fault]] = {
    "retry_after": frozenset({Fault.RATE_LIMITED, Fault.UNAVAILABLE}),
    "seconds": frozenset(DELAYS),
    "megabytes": frozenset({Fault.MEGABYTES}),
    "drift": frozenset({Fault.DRIFT}),
    "field": frozenset({Fault.DRIFT}),
}
"""Which faults have an option."""
