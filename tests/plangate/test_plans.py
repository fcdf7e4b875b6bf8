from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plangate.plans import MAX_STEPS, STEP_ID_PATTERN, Plan, PlanProblem, PlanProposal, Step


@given(st.text(max_size=45) | st.from_regex(STEP_ID_PATTERN, fullmatch=True))
def test_ids_are_short_lower_case_names(name: str) -> None:
    right = re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) is not None
    try:
        Step(id=name, tool="t")
    except ValidationError:
        assert not right
    else:
        assert right


def test_one_step_to_wait_for_needs_no_list() -> None:
    assert Step.model_validate({"id": "a", "tool": "t", "after": "b"}).after == ["b"]


@pytest.mark.parametrize("data", [{"stepz": []}, {"steps": [], "needs": "luck"}, {"goal": "g" * 501}])
def test_what_is_not_in_the_language_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate(data)


def test_a_plan_has_a_bound_whatever_an_agent_allows() -> None:
    steps = [{"id": f"s{n}", "tool": "t"} for n in range(MAX_STEPS + 1)]
    Plan.model_validate({"steps": steps[1:]})
    with pytest.raises(ValidationError):
        Plan.model_validate({"steps": steps})


def test_a_problem_says_where() -> None:
    assert str(PlanProblem(step="a", where="args.x", problem="no")) == "step 'a', args.x: no"
    assert str(PlanProblem(problem="no")) == "plan: no"


def test_a_proposal_is_a_plan_or_why_there_is_none() -> None:
    assert PlanProposal.model_validate({"action": "decline", "message": "m"}).plan is None
    with pytest.raises(ValidationError):
        PlanProposal.model_validate({"action": "guess"})
