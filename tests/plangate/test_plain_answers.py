"""Answers that no model writes."""

from __future__ import annotations

import pytest

from plangate.compensation import Compensated
from plangate.errors import ErrorPayload
from plangate.plain_answers import plain_answer
from plangate.runs import CallState, CallStatus, Outcome, RunState, StepState, StepStatus
from plangate.summary import gaps
from tests.plangate.plan_makers import state_of, step


def ended(outcome: Outcome | None, **statuses: StepStatus) -> RunState:
    state = state_of({"steps": [step(name, title=name.title()) for name in ("one", "two", "three", "four")]})
    state.steps = {name: StepState(id=name, status=status) for name, status in statuses.items()}
    state.outcome, state.error = outcome, ErrorPayload(message="it broke")
    return state


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ESCALATED])
def test_steps_that_never_began_are_not_done(outcome: Outcome) -> None:
    state = ended(outcome, one=StepStatus.DONE, two=StepStatus.FAILED, three=StepStatus.PENDING)
    lines = plain_answer(state).splitlines()
    assert lines[1:] == ["Done:", "- One", "Not done:", "- Two: failed", "- Three: not begun", "- Four: not begun"]


def test_a_run_that_failed_before_any_step_names_them_all() -> None:
    state = ended(Outcome.FAILED, one=StepStatus.PENDING)
    found = [f"{name}: not begun" for name in ("One", "Two", "Three", "Four")]
    assert gaps(state) == found
    assert plain_answer(state).splitlines()[1:] == ["Not done:", *(f"- {each}" for each in found)]


def test_while_it_runs_nothing_is_missing_yet() -> None:
    assert gaps(ended(None, one=StepStatus.PENDING, two=StepStatus.RUNNING)) == []


def test_what_was_undone_is_said_so() -> None:
    state = ended(Outcome.FAILED, one=StepStatus.DONE, two=StepStatus.DONE)
    state.compensations = [
        Compensated(call="one", step="one", tool="pay", summary="Pay", undone=True),
        Compensated(call="two", step="two", tool="pay", summary="Pay", reason="refused"),
    ]
    assert plain_answer(state).splitlines()[1:4] == ["Done:", "- One (undone again)", "- Two"]
    state.steps["one"].calls = [CallState(id=f"one.{item}", item=item, status=CallStatus.DONE) for item in range(3)]
    assert plain_answer(state).splitlines()[2] == "- One (1 of 3 undone again)"
