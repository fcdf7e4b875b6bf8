"""Runs that go round in circles, without a workflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plangate import loops, run_time
from plangate.agents import Limits
from plangate.engine import Engine, revise
from plangate.errors import ErrorPayload, ErrorType
from plangate.plans import Plan, Step
from plangate.reaching import Reached
from plangate.runs import RunRequest, RunState, StepState, StepStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(*steps: Step, **limits: Any) -> RunState:
    values = {"failures_in_row": 3, "identical_calls": 2, "stale_revisions": 1, "revisions": 5, **limits}
    state = RunState(request=RunRequest(), started_at=NOW, limits=Limits(**values), plan=Plan(steps=list(steps)))
    Engine(state)
    assert loops.note_plan(state, Plan(steps=list(steps))) is None
    return state


def step(id: str, **args: Any) -> Step:
    return Step(id=id, tool="look", args=args)


def end(state: RunState, name: str, status: StepStatus, error: ErrorType = ErrorType.BUSINESS) -> str | None:
    found = state.steps[name]
    found.status = status
    found.error = ErrorPayload(type=error) if status is StepStatus.FAILED else None
    stop = loops.note_end(state, found)
    return stop.rule if stop else None


def revised(state: RunState, *steps: Step) -> str | None:
    assert loops.before_revision(state) is None
    plan = Plan(steps=list(steps))
    stop = loops.note_plan(state, plan)
    revise(state, plan)
    Engine(state)
    return stop.rule if stop else None


def test_steps_that_fail_in_a_row() -> None:
    state = run(*(step(name, n=name) for name in "abcdef"))
    ends = [StepStatus.FAILED, StepStatus.FAILED, StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED]
    assert [end(state, name, status) for name, status in zip("abcde", ends, strict=True)] == [None] * 5
    assert end(state, "e", StepStatus.FAILED) is None
    assert end(state, "f", StepStatus.FAILED) == "limits.failures-in-a-row"
    assert loops.note_end(run(step("a"), failures_in_row=0), StepState(id="a", status=StepStatus.FAILED)) is None


def test_no_step_done_between_two_revisions() -> None:
    state = run(step("a", n=1))
    end(state, "a", StepStatus.FAILED)
    assert revised(state, step("b", n=2), step("c", n=3)) is None
    end(state, "b", StepStatus.DONE)
    end(state, "c", StepStatus.FAILED)
    assert revised(state, step("d", n=4)) is None
    end(state, "d", StepStatus.FAILED)
    stop = loops.before_revision(state)
    assert stop is not None
    assert stop.rule == "loops.no-progress"


def test_the_same_plan_again_whatever_its_steps_are_called() -> None:
    state = run(step("a", n=1), step("b", n=2))
    end(state, "a", StepStatus.DONE)
    end(state, "b", StepStatus.FAILED, ErrorType.UNAVAILABLE)
    assert revised(state, step("x", n=1), step("y", n=2)) == "loops.same-plan"


@pytest.mark.parametrize(
    ("error", "after", "rule"),
    [
        (ErrorType.BUSINESS, [], "loops.repeated-failure"),
        (ErrorType.UNAVAILABLE, [], None),
        (ErrorType.BUSINESS, ["first"], None),
    ],
)
def test_a_plan_that_repeats_what_failed(error: ErrorType, after: list[str], rule: str | None) -> None:
    """Not what may work later, and not what something else comes before this time."""
    state = run(step("a", n=1), step("b", n=2))
    end(state, "a", StepStatus.DONE)
    end(state, "b", StepStatus.FAILED, error)
    again = step("again", n=2).model_copy(update={"after": after})
    assert revised(state, step("first", n=3), again) == rule


def test_the_same_call_by_too_many_steps() -> None:
    same = loops.SameCalls(run(step("a")))
    assert [same.note(name, "look", {"n": 1})[1] for name in "aaab"] == [None] * 4
    assert same.note("c", "look", {"n": 2})[1] is None
    stop = same.note("c", "look", {"n": 1})[1]
    assert stop is not None
    assert stop.rule == "loops.repeated-call"


def test_without_limits_nothing_is_counted() -> None:
    state = run(step("a"), stale_revisions=0, identical_calls=0)
    end(state, "a", StepStatus.FAILED)
    assert revised(state, step("b")) is None
    assert (state.plans, state.stale_revisions, loops.SameCalls(state).counted) == ([], 0, False)


def test_time_at_gates_does_not_count() -> None:
    state = run(step("a"), run_seconds=60)
    assert run_time.left(state, NOW + timedelta(seconds=20)) == timedelta(seconds=40)
    run_time.mark(state, NOW + timedelta(seconds=20), away=True)
    assert run_time.left(state, NOW + timedelta(hours=2)) == timedelta(seconds=40)
    run_time.mark(state, NOW + timedelta(hours=2), away=False)
    assert run_time.left(state, NOW + timedelta(hours=2, seconds=90)) == timedelta(0)
    assert run_time.left(run(step("a")), NOW) is None


def test_a_time_that_is_over_before_there_is_a_plan_is_handed_over() -> None:
    state = run(step("a"), run_seconds=120)
    assert (run_time.over(state).then, run_time.over(state).reason) == (
        Reached.PARTIAL,
        "the time for the run, 2 minutes, is over",
    )
    state.plan = None
    assert run_time.over(state).then is Reached.HAND_OVER
