"""Circuit breakers: when a dependency counts as down, and who may find out whether it is back. Pure: no I/O, no clock.

    closed ──3 failures in a row, or half of the last 20 calls──▶ open ──after 30 s, 60 s, … 5 min──▶ half-open
      ▲                                                            ▲                                    │
      └──────────────── the probe got an answer ───────────────────┼──── the probe failed ──────────────┘

Only transient faults are failures; a clear no is an answer like any other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from plangate.errors import ErrorType

_FAILURES = frozenset({ErrorType.TIMEOUT, ErrorType.UNAVAILABLE, ErrorType.NETWORK})
_UNTOLD = frozenset({ErrorType.CANCELLED, ErrorType.OUTCOME_UNKNOWN})
"""Ends of calls that say nothing of the dependency."""
_SMOOTHING = 0.2
"""Weight of the newest call in the average latency."""
_PROBE_LOOK = timedelta(seconds=2)
"""While another call probes, others look again after this time."""
_MAX_DOUBLINGS = 30
SET_BACK = timedelta(seconds=5)
"""The clock was set back when a breaker was last changed so far in the future: its times say nothing."""
KEPT = 200
"""Calls of the window at most."""
MAX_PAUSE = 60.0
"""Seconds that one answer can make everybody wait; the next one may ask for more."""


class BreakerState(StrEnum):
    """Whether calls are made."""

    CLOSED = "closed"
    """Calls are made."""
    OPEN = "open"
    """No call is made until `retry_at`."""
    HALF_OPEN = "half_open"
    """One call is made, to find out; the others wait for what becomes of it."""


class OnOpen(StrEnum):
    """What a step does whose dependency is down."""

    WAIT = "wait"
    """Wait for it, at most the tool's total time."""
    FALLBACK = "fallback"
    """Fail at once, so that the step's fallback or a revised plan takes over."""
    ESCALATE = "escalate"
    """End the run: a person takes over."""


class BreakerRules(BaseModel):
    """When breakers open, and for how long."""

    model_config = ConfigDict(frozen=True)

    failures: int = Field(default=3, ge=1)
    """In a row."""
    rate: float = Field(default=0.5, gt=0, le=1)
    """Part of the window's calls."""
    window: int = Field(default=20, ge=1, le=KEPT)
    """Calls that the rate is taken over; it says nothing before there were so many."""
    open_seconds: float = Field(default=30.0, gt=0)
    """Until the first probe; doubled each time that a probe fails."""
    max_open_seconds: float = Field(default=300.0, gt=0)


class Breaker(BaseModel):
    """A dependency as the database has it."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    """In a row."""
    window: str = ""
    """The newest calls, the newest last: `.` answered, `x` failed."""
    opened_at: datetime | None = None
    """Since when it is down."""
    openings: int = 0
    """How often in this outage: probes that failed, plus one."""
    retry_at: datetime | None = None
    """When the next probe may be made."""
    probe: str = ""
    """Token of the one call that may find out."""
    probe_until: datetime | None = None
    """When another call may take its place: it may have died."""
    last_error: str = ""
    """`ErrorType` of the newest failure."""
    latency_ms: float | None = None
    """Moving average."""
    calls: int = 0
    failed: int = 0
    rate_limited: int = 0
    """HTTP 429 and the like. Not failures: it is up, and asks for patience."""
    updated_at: datetime | None = None
    reset_by: str = ""
    """Who closed it by hand last."""
    reset_at: datetime | None = None
    paused_until: datetime | None = None
    """Until when it asked for patience: `Retry-After`."""
    healthy: bool | None = None
    """What its health check said last; None when there was none."""
    health: str = ""
    """In words, when it is not healthy."""
    health_at: datetime | None = None

    @property
    def recent_failures(self) -> int:
        """Failures in the window."""
        return self.window.count("x")


class Heard(BaseModel):
    """What calls said of a dependency; answers in a row are told together."""

    model_config = ConfigDict(frozen=True)

    error: ErrorType | None = None
    count: int = 1
    latency_ms: float | None = None
    """Average of these calls."""
    probe: str = ""
    """The token, when the call was the probe."""
    retry_after: float | None = None
    """Seconds of patience that the far side asked for."""

    @property
    def is_failure(self) -> bool:
        """Whether it counts against the dependency."""
        return self.error in _FAILURES

    @property
    def says_nothing(self) -> bool:
        """Whether it neither counts for nor against the dependency."""
        return self.error in _UNTOLD

    @property
    def is_answer(self) -> bool:
        """Whether the dependency answered."""
        return not self.is_failure and not self.says_nothing and self.error is not ErrorType.RATE_LIMITED


def blocked_until(breaker: Breaker, now: datetime) -> datetime | None:
    """When to ask again; None when a call may be made, or (see `may_probe`) tried as a probe."""
    if breaker.state is BreakerState.CLOSED or may_probe(breaker, now):
        return None
    if breaker.state is BreakerState.OPEN:
        return breaker.retry_at
    return min(breaker.probe_until or now, now + _PROBE_LOOK)


def may_probe(breaker: Breaker, now: datetime) -> bool:
    """Whether it is time for a probe that nobody makes yet; who gets the lease in the database makes it."""
    if breaker.updated_at is not None and breaker.updated_at - now > SET_BACK:
        return breaker.state is not BreakerState.CLOSED
    if breaker.state is BreakerState.OPEN:
        return breaker.retry_at is None or breaker.retry_at <= now
    return breaker.state is BreakerState.HALF_OPEN and (breaker.probe_until is None or breaker.probe_until <= now)


def after(breaker: Breaker, heard: Heard, now: datetime, rules: BreakerRules) -> Breaker:
    """The breaker after calls; what a call says that began before the breaker opened is counted, and no more."""
    counted = _count(breaker, heard, now, rules)
    if breaker.state is BreakerState.CLOSED:
        if heard.is_failure and _too_many(counted, rules):
            return _open(counted, now, rules)
        return counted
    if breaker.state is BreakerState.OPEN or not heard.probe or heard.probe != breaker.probe:
        return counted
    if heard.says_nothing:
        return counted.model_copy(
            update={"state": BreakerState.OPEN, "retry_at": now, "probe": "", "probe_until": None}
        )
    return _open(counted, now, rules) if heard.is_failure else closed(counted)


def closed(breaker: Breaker) -> Breaker:
    """The breaker, closed: what was before counts no more."""
    nothing = {"opened_at": None, "openings": 0, "retry_at": None, "probe": "", "probe_until": None}
    return breaker.model_copy(update={"state": BreakerState.CLOSED, "failures": 0, "window": "", **nothing})


def _count(breaker: Breaker, heard: Heard, now: datetime, rules: BreakerRules) -> Breaker:
    changes: dict[str, object] = {"updated_at": now}
    if not heard.says_nothing:
        changes["calls"] = breaker.calls + heard.count
    if heard.error is ErrorType.RATE_LIMITED:
        changes["rate_limited"] = breaker.rate_limited + heard.count
        if heard.retry_after:
            until = now + timedelta(seconds=min(heard.retry_after, MAX_PAUSE))
            changes["paused_until"] = max(until, breaker.paused_until or until)
    if heard.is_failure:
        changes |= {
            "failed": breaker.failed + heard.count,
            "failures": breaker.failures + heard.count,
            "last_error": heard.error.value if heard.error else "",
        }
    if heard.is_answer:
        changes["failures"] = 0
        changes["latency_ms"] = _average(breaker.latency_ms, heard)
    if heard.is_failure or heard.is_answer:
        marks = ("x" if heard.is_failure else ".") * min(heard.count, rules.window)
        changes["window"] = (breaker.window + marks)[-rules.window :]
    return breaker.model_copy(update=changes)


def _average(old: float | None, heard: Heard) -> float | None:
    if old is None or heard.latency_ms is None:
        return old if heard.latency_ms is None else heard.latency_ms
    return old + (heard.latency_ms - old) * (1 - (1 - _SMOOTHING) ** min(heard.count, 50))


def _too_many(breaker: Breaker, rules: BreakerRules) -> bool:
    if breaker.failures >= rules.failures:
        return True
    return len(breaker.window) >= rules.window and breaker.recent_failures >= rules.rate * len(breaker.window)


def _open(breaker: Breaker, now: datetime, rules: BreakerRules) -> Breaker:
    seconds = min(rules.open_seconds * 2.0 ** min(breaker.openings, _MAX_DOUBLINGS), rules.max_open_seconds)
    return breaker.model_copy(
        update={
            "state": BreakerState.OPEN,
            "opened_at": breaker.opened_at or now,
            "openings": breaker.openings + 1,
            "retry_at": now + timedelta(seconds=seconds),
            "probe": "",
            "probe_until": None,
        }
    )
