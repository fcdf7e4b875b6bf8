"""How long a run has worked: time in which a gate waits for a person, or in which it is paused, doesn't count."""

from __future__ import annotations

from datetime import datetime, timedelta

from plangate.reaching import Reached, Stop
from plangate.runs import RunState
from plangate.wording import duration

TIME = "limits.time"
"""The rule's id."""


def mark(state: RunState, now: datetime, *, away: bool) -> None:
    """Note that the run waits for a person from now on, or that it goes on."""
    if away and state.away_since is None:
        state.away_since = now
    elif not away and state.away_since is not None:
        state.away_seconds += (now - state.away_since).total_seconds()
        state.away_since = None


def left(state: RunState, now: datetime) -> timedelta | None:
    """What is left of the time that the scope gives a run; None without a limit, never below zero."""
    if not state.limits.run_seconds:
        return None
    until = state.away_since or now
    used = (until - state.started_at).total_seconds() - state.away_seconds
    return timedelta(seconds=max(0.0, state.limits.run_seconds - used))


def over(state: RunState) -> Stop:
    """The stop of a run whose time is over. Before there is anything to answer from, a person takes over."""
    then = state.limits.then("run_seconds")
    if then is Reached.PARTIAL and state.plan is None:
        then = Reached.HAND_OVER
    reason = f"the time for the run, {duration(state.limits.run_seconds)}, is over"
    return Stop(rule=TIME, reason=reason, then=then)
