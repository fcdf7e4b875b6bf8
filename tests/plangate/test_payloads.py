"""What enters history: plain JSON without defaults, read back the same, by today's and by older contracts."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from plangate.approvals import ApprovalDecision, DecisionAction
from plangate.engine import Engine
from plangate.payloads import DATA_CONVERTER
from plangate.runs import CallState, CallStatus, Result, RunInput, RunState, StepStatus
from plangate.tasks import ScopeEntry
from plangate.temporal import PURE, SEARCH_ATTRIBUTES, PlangatePlugin
from tests.plangate.plan_makers import dags, state_of, step
from tests.plangate.test_strictjson import VALUES

CONVERTER = DATA_CONVERTER.payload_converter


def through(value: Any, type: Any) -> Any:
    (payload,) = CONVERTER.to_payloads([value])
    return CONVERTER.from_payloads([payload], [type])[0]


@given(dags(), st.integers(0, 3), st.sampled_from(StepStatus), VALUES)
@settings(max_examples=100, deadline=None)
def test_a_state_comes_back_the_same(plan: dict[str, Any], generation: int, status: StepStatus, value: Any) -> None:
    state = state_of(plan, generation=generation)
    Engine(state)
    for each in state.steps.values():
        each.status = status
        each.calls = [CallState(id=each.id, item=0, status=CallStatus.DONE, result=Result(value=value, key="k"))]
    assert through(state, RunState) == state
    carried = RunInput(**state.request.model_dump(), carried=state)
    assert through(carried, RunInput) == carried


@given(VALUES, st.sampled_from(DecisionAction))
@settings(max_examples=100, deadline=None)
def test_values_of_any_kind_come_back_the_same(value: Any, action: DecisionAction) -> None:
    decision = ApprovalDecision(action=action, response=value, args={"x": value})
    assert through(decision, ApprovalDecision) == decision
    entry = ScopeEntry(stored=["k", ""], given={1: value})
    assert through(entry, ScopeEntry) == entry


def test_defaults_are_left_out_and_what_a_call_says_is_not() -> None:
    (payload,) = CONVERTER.to_payloads([ApprovalDecision(approval="p", args={"n": None, "f": False, "z": 0})])
    assert json.loads(payload.data) == {"approval": "p", "args": {"n": None, "f": False, "z": 0}}
    assert payload.metadata["encoding"] == b"json/plain"


def test_plain_json_of_any_client_is_read() -> None:
    (payload,) = CONVERTER.to_payloads([{"agent": "a", "request": "r", "from_a_newer_version": 1}])
    found = CONVERTER.from_payloads([payload], [RunInput])[0]
    assert (found.agent, found.request, found.carried) == ("a", "r", None)


def test_a_plan_is_read_with_the_steps_that_it_had() -> None:
    plan = state_of({"steps": [step("a", when="input.n", optional=True, fallback={"value": 0})]}).plan
    assert plan is not None
    assert through(plan, type(plan)) == plan


def test_the_plugin_passes_whole_packages_and_names_every_attribute() -> None:
    assert {"plangate", "activities", "pydantic", "jmespath"} <= set(PURE)
    assert set(SEARCH_ATTRIBUTES.values()) <= {"Keyword", "Int", "Double"}
    assert PlangatePlugin().name() == "plangate"
