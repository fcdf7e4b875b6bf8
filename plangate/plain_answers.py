"""Answers that no model writes: the owner's own words for what happened, and what was done and not done."""

from __future__ import annotations

from collections import Counter

from plangate import summary
from plangate.runs import Outcome, RunState, StepStatus

_USUAL = {
    Outcome.ESCALATED: "Your request could not be finished; a person takes over.",
    Outcome.DEGRADED: "Only a part of your request could be done.",
}


def plain_answer(state: RunState) -> str:
    """What the person reads when no model wrote an answer.

    Its first words are the scope's for the run's outcome, else ours.
    """
    outcome = state.outcome or Outcome.FAILED
    nothing = outcome is Outcome.FAILED and not state.steps
    canned = state.canned.get(outcome.value, "")
    if nothing and not canned:
        return "The request could not be handled. Nothing was done."
    undone = Counter(each.step for each in state.compensations if each.undone)
    done = [
        f"- {each.summary or each.title}{_undone(undone[each.id], each.done_calls)}"
        for each in summary.reports(state)
        if each.status is StepStatus.DONE
    ]
    missing = [f"- {gap}" for gap in summary.gaps(state)]
    usual = "Your request could not be finished." if state.error else "Here is what was done."
    parts = [canned or _USUAL.get(outcome, usual)]
    parts += ["Done:", *done] if done else []
    parts += ["Not done:", *missing] if missing else []
    return "\n".join(parts)


def _undone(count: int, calls: int) -> str:
    if not count:
        return ""
    return " (undone again)" if count >= calls else f" ({count} of {calls} undone again)"
