"""What becomes of a call that can't be made now.

Its dependency is down: it waits, or fails so that a fallback or a person takes over. It is early: it waits for its
turn, however long that takes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from plangate.breakers import OnOpen
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.pacing import Wait
    from plangate.runs import CallState
    from plangate.tasks import CallResult
    from plangate.tool_policy import ToolPolicy

_SHORTEST = timedelta(seconds=0.25)
_LONGEST = timedelta(seconds=30)


def pause_before(call: CallState, outcome: CallResult, now: datetime) -> timedelta:
    """How long to wait before asking again.

    At least a quarter of the time that the call has waited already: a worker whose clock is wrong, or many calls that
    wait for one probe, must not fill the history.
    """
    waited = now - (call.blocked_since or now)
    asked = (outcome.blocked_until or now) - now
    return max(asked, longer_each_time(waited))


def longer_each_time(waited: timedelta) -> timedelta:
    """The shortest pause for what has waited so long already."""
    return min(max(waited / 4, _SHORTEST), _LONGEST)


def gives_up(
    call: CallState, outcome: CallResult, policy: ToolPolicy, pause: timedelta, now: datetime
) -> ErrorPayload | None:
    """The error that the call ends with, or None when it waits.

    A call that may have taken effect waits whatever the tool says: no fallback may do it a second time.
    """
    waiting = call.in_doubt or policy.on_open is OnOpen.WAIT
    deadline = (call.blocked_since or now) + timedelta(seconds=policy.total_seconds)
    if waiting and now + pause <= deadline:
        return None
    kind, next_ = ErrorType.UNAVAILABLE, "its fallback, else a revised plan"
    message = f"{policy.name} was not called: {outcome.reason}"
    if waiting:
        message += f" and was not back within the {policy.total_seconds:g} s that the call may take"
    if call.in_doubt:
        kind, next_ = ErrorType.OUTCOME_UNKNOWN, "a person decides"
        message += ". Whether an earlier attempt took effect is not known: check, then decide"
    elif policy.on_open is OnOpen.ESCALATE:
        kind, next_ = ErrorType.DEPENDENCY_DOWN, "a person takes over"
    return ErrorPayload(type=kind, message=message, attempted=policy.name, attempts=call.failed, next=next_)


def in_words(outcome: CallResult, now: datetime, pause: timedelta) -> str:
    """For the timer, the step and the timeline."""
    return f"{outcome.reason}; next try at {(now + pause).strftime('%H:%M:%S')} UTC"


def for_its_turn(wait: Wait, now: datetime) -> tuple[timedelta, str]:
    """How long an early call waits before it asks again, and in words what for and until about when."""
    pause = timedelta(seconds=max(wait.seconds, _SHORTEST.total_seconds()))
    ahead = f"; {wait.ahead} call{'s' * (wait.ahead != 1)} ahead" if wait.ahead else ""
    turn = now + timedelta(seconds=max(wait.turn_seconds, wait.seconds))
    return pause, f"waits for {wait.dependency}: {wait.why}{ahead}; about {turn.strftime('%H:%M:%S')} UTC"
