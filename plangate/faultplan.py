"""Fault plans: which call of which dependency goes wrong, how, and how often. Seeded, so that a storm can be repeated.

`KINDS` says what can go wrong where; docs/fault-injection.md says it to people. Reading a file is `faultplan_file`,
injecting is `activities.injection`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field


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

_DELAYS = {
    Fault.HANG: 3600.0, Fault.EFFECT_THEN_TIMEOUT: 3600.0, Fault.SLOW: 1.0, Fault.DEAD: 10.0, Fault.UNREACHABLE: 0.0,
    Fault.COMMIT_LATE: 5.0, Fault.STALL: 15.0, Fault.KILL: 0.2,
}  # fmt: skip
OPTIONS: dict[str, frozenset[Fault]] = {
    "retry_after": frozenset({Fault.RATE_LIMITED, Fault.UNAVAILABLE}),
    "seconds": frozenset(_DELAYS),
    "megabytes": frozenset({Fault.MEGABYTES}),
    "drift": frozenset({Fault.DRIFT}),
    "field": frozenset({Fault.DRIFT}),
}
"""Which faults have an option."""


class Match(BaseModel):
    """Further conditions on a call; what isn't given matches all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["plan", "revise", "answer"] | None = None
    """The same as the rule's `call`."""
    agent: str | None = None
    model: str | None = None
    api: Literal["responses", "chat"] | None = None
    stream: bool | None = None
    contains: str | None = None
    """A text in the messages, the request's body, the e-mail or the statement."""
    repair: bool | None = None
    """Only repairs of a model's output (true) or only first tries (false)."""
    tool: str | None = None
    mode: Literal["ledger", "key", "check", "natural"] | None = None
    """The idempotency mode of the tool."""
    run: str | None = None

    def fits(self, facts: Mapping[str, Any]) -> bool:
        """Whether a call is meant; what is said of it has the names of these fields."""
        for name, wanted in self.model_dump(exclude_none=True).items():
            if name == "contains":
                if wanted not in str(facts.get(name, "")):
                    return False
            elif facts.get(name) != wanted:
                return False
        return True


def _as_text(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


class FaultRule(BaseModel):
    """One line of a fault plan."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    dependency: str = Field(default="model", min_length=1)
    call: str | None = None
    """A purpose of a model call, an operation of a service, a kind of statement, a kill point, a tool."""
    fault: Fault
    match: Match = Match()
    after: int = Field(default=0, ge=0, validation_alias=AliasChoices("after", "skip"))
    """Leave out the first so many calls that match."""
    times: int | None = Field(default=None, ge=1)
    """How often at most; without it always."""
    probability: float = Field(default=1.0, gt=0, le=1)
    retry_after: Annotated[str | None, BeforeValidator(_as_text)] = None
    """The header as it is sent, or `date:30` for an HTTP date 30 seconds from now (`date:-30`: before)."""
    seconds: float | None = Field(default=None, ge=0, le=86_400)
    megabytes: float = Field(default=5.0, gt=0, le=100)
    drift: Literal["renamed", "retyped", "added"] = "renamed"
    field: str | None = None
    """Which field drifts; without it the first."""

    @property
    def delay(self) -> float:
        """`seconds`, or what is usual for the fault."""
        return _DELAYS.get(self.fault, 0.0) if self.seconds is None else self.seconds

    def fits(self, names: Collection[str], call: str, facts: Mapping[str, Any]) -> bool:
        """Whether a call is meant.

        Args:
            names: The names of its dependency.
            call: What is called there.
            facts: What the conditions of `match` look at.
        """
        return (
            self.dependency in names
            and (self.call is None or self.call == call)
            and (self.match.task is None or self.match.task == call)
            and self.match.model_copy(update={"task": None}).fits(facts)
        )


class FaultPlan(BaseModel):
    """A fault plan as it stands in its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    faults: list[FaultRule] = Field(default_factory=list)

    @property
    def digest(self) -> str:
        """Tells this plan from others."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def concerns(self, *dependencies: str) -> bool:
        """Whether there is a rule about one of these dependencies."""
        return any(rule.dependency in dependencies for rule in self.faults)


@dataclass
class Counts:
    """What has happened to the rules of a plan so far, by their position."""

    matched: list[int]
    injected: list[int]

    @classmethod
    def of(cls, plan: FaultPlan) -> Counts:
        """Nothing yet."""
        return cls([0] * len(plan.faults), [0] * len(plan.faults))


@dataclass(frozen=True)
class Pick:
    """What becomes of a call: the rules that it was counted for, and the one that strikes."""

    matched: tuple[int, ...] = ()
    rule: int | None = None


def pick(plan: FaultPlan, counts: Counts, names: Collection[str], call: str, facts: Mapping[str, Any]) -> Pick:
    """The fault of a call: that of the first rule that applies. Changes nothing; see `count`."""
    matched: list[int] = []
    for index, rule in enumerate(plan.faults):
        if rule.times is not None and counts.injected[index] >= rule.times:
            continue
        if not rule.fits(names, call, facts):
            continue
        matched.append(index)
        number = counts.matched[index] + 1
        if number > rule.after and (rule.probability == 1 or draw(plan.seed, index, number) < rule.probability):
            return Pick(tuple(matched), index)
    return Pick(tuple(matched))


def count(counts: Counts, picked: Pick) -> None:
    """Take down what became of a call."""
    for index in picked.matched:
        counts.matched[index] += 1
    if picked.rule is not None:
        counts.injected[picked.rule] += 1


def draw(seed: int, rule: int, number: int) -> float:
    """A number from 0 up to 1 for a rule's nth matching call; the same for the same seed, in every process."""
    digest = hashlib.sha256(f"{seed}:{rule}:{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
