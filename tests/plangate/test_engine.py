from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plangate.engine import Engine, done_results, inline_scope, revise, roots_of
from plangate.plans import Plan
from plangate.runs import INLINE_BYTES, CallState, CallStatus, Result, RunState, StepState, StepStatus
from plangate.tasks import ScopeEntry
from plangate.validation import dependencies
from tests.plangate.plan_makers import dags, state_of, step

ENDS = (StepStatus.DONE, StepStatus.DONE, StepStatus.FAILED, StepStatus.REJECTED, StepStatus.SKIPPED)


class Scheduler:
    """Carries out a plan as the workflow does, with an engine that can be lost and built again at any moment."""

    def __init__(self, state: RunState, seed: int) -> None:
        self.state, self.random = state, random.Random(seed)
        self.engine = Engine(state)
        self.started: list[str] = []
        self.ended: list[str] = []
        self.most = 0

    def take(self) -> None:
        for each in self.engine.take_ready():
            if each.id in self.started:
                continue  # under way since before the engine was built again
            state = self.state.steps[each.id]
            waits = dependencies(each) & self.engine.steps.keys()
            assert waits <= set(self.ended), f"{each.id} started before {waits - set(self.ended)} ended"
            assert not state.status.ended
            self.started.append(each.id)
            state.status = StepStatus.RUNNING
        self.most = max(self.most, len(self.under_way))

    @property
    def under_way(self) -> list[str]:
        return [name for name in self.started if name not in self.ended]

    def end_one(self) -> None:
        name = self.random.choice(self.under_way)
        state = self.state.steps[name]
        if self.engine.blocked(self.engine.steps[name]):
            state.status, state.blocked = StepStatus.SKIPPED, True
        else:
            state.status = self.random.choice(ENDS)
        self.ended.append(name)
        self.engine.ended(name)

    def rebuild(self) -> None:
        self.state = RunState.model_validate_json(self.state.model_dump_json())
        self.engine = Engine(self.state)

    def run(self, rebuild_after: frozenset[int] = frozenset()) -> None:
        self.take()
        while self.under_way:
            self.end_one()
            if len(self.ended) in rebuild_after:
                self.rebuild()
            self.take()


@given(dags(), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_any_dag_runs_in_order_each_step_once_and_to_its_end(plan: dict[str, Any], seed: int) -> None:
    scheduler = Scheduler(state_of(plan), seed)
    scheduler.run()
    assert sorted(scheduler.started) == sorted(each["id"] for each in plan["steps"])
    assert all(state.status.ended for state in scheduler.state.steps.values())


@given(dags(), st.integers(0, 2**32), st.frozensets(st.integers(0, 9)))
@settings(max_examples=200, deadline=None)
def test_an_engine_built_again_from_the_stored_state_goes_on_the_same(
    plan: dict[str, Any], seed: int, moments: frozenset[int]
) -> None:
    whole, broken = Scheduler(state_of(plan), seed), Scheduler(state_of(plan), seed)
    for scheduler, rebuild_after in ((whole, frozenset[int]()), (broken, moments)):
        scheduler.take()
        while scheduler.under_way:
            scheduler.end_one()
            if len(scheduler.ended) in rebuild_after:
                scheduler.rebuild()
            scheduler.take()
            scheduler.started.sort()  # the order within one moment isn't promised
    assert broken.ended == whole.ended
    assert broken.state == whole.state


@given(dags(), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_all_that_is_free_is_under_way_together(plan: dict[str, Any], seed: int) -> None:
    scheduler = Scheduler(state_of(plan), seed)
    scheduler.take()
    while scheduler.under_way:
        free = {
            each.id
            for each in scheduler.engine.steps.values()
            if dependencies(each) <= set(scheduler.ended) and each.id not in scheduler.ended
        }
        assert set(scheduler.under_way) == free
        scheduler.end_one()
        scheduler.take()


def test_a_step_cancelled_before_it_was_taken_is_not_started() -> None:
    """For example while the run is paused."""
    state = state_of({"steps": [step("a"), step("b", after=["a"])]})
    engine = Engine(state)
    state.steps["a"].status = StepStatus.CANCELLED
    assert not engine.has_ready
    engine.ended("a")
    assert engine.has_ready
    assert [each.id for each in engine.take_ready()] == ["b"]
    assert not engine.has_ready
    assert engine.blocked(engine.steps["b"]) is not None


def test_a_step_cancelled_while_it_waits_frees_those_behind_it_and_never_starts() -> None:
    state = state_of({"steps": [step("a"), step("b", after=["a"], optional=True), step("c", after=["b"])]})
    engine = Engine(state)
    assert [each.id for each in engine.take_ready()] == ["a"]
    state.steps["b"].status = StepStatus.CANCELLED
    engine.ended("b")
    assert [each.id for each in engine.take_ready()] == ["c"]
    state.steps["a"].status = StepStatus.DONE
    engine.ended("a")
    assert list(engine.take_ready()) == []


def blocked(status: StepStatus, needs: str, *, optional: bool = False, because: bool = False) -> str | None:
    fields = {"args": {"args": {"q": {"$ref": "a.x"}}}, "after": {"after": ["a"]}, "when": {"when": "a.x"}}[needs]
    state = state_of({"steps": [step("a", optional=optional), step("b", **fields)]})
    engine = Engine(state)
    state.steps["a"] = StepState(id="a", status=status, blocked=because, gap=because)
    found = engine.blocked(engine.steps["b"])
    return None if found is None else f"{found.reason} gap={found.gap}"


def test_what_a_step_needs_decides_whether_it_is_left_out() -> None:
    for needs in ("args", "after", "when"):
        assert blocked(StepStatus.DONE, needs) is None
    for status in (StepStatus.FAILED, StepStatus.REJECTED, StepStatus.CANCELLED):
        assert blocked(status, "args") == f"it needs 'a', which was {status.value} gap=True"
        assert blocked(status, "args", optional=True) is not None
        assert blocked(status, "after") == f"it needs 'a', which was {status.value} gap=True"
        assert blocked(status, "after", optional=True) is None
        assert blocked(status, "when") is None
    assert blocked(StepStatus.SKIPPED, "after") is None
    assert blocked(StepStatus.SKIPPED, "args") == "it needs 'a', which was skipped gap=False"
    assert blocked(StepStatus.SKIPPED, "after", because=True) == "it needs 'a', which was skipped gap=True"


def done(*results: Result | None, items: bool = True) -> StepState:
    calls = [
        CallState(id=f"a.{n}", item=n if items else None, status=CallStatus.DONE if result else CallStatus.FAILED,
                  result=result)
        for n, result in enumerate(results)
    ]  # fmt: skip
    return StepState(id="a", status=StepStatus.DONE, calls=calls, items=len(results) if items else None)


def scope_of(entry: StepState) -> ScopeEntry:
    state = state_of({"steps": [step("a")]})
    state.steps["a"] = entry
    return Engine(state).scope(["a"])["a"]


def test_the_scope_has_input_and_the_results_of_steps_that_are_done() -> None:
    state = state_of({"steps": [step("a"), step("b")]})
    state.steps["a"] = done(Result(key="k", value={"id": 5}, size=8), items=False)
    state.steps["b"] = StepState(id="b", status=StepStatus.FAILED)
    entries = Engine(state).scope(["b", "input", "a", "nobody"])
    assert inline_scope(entries) == {"a": {"id": 5}, "b": None, "input": {"n": 1}}
    assert list(entries) == sorted(entries)


def test_the_results_of_a_list_step_are_in_the_order_of_its_items_with_gaps() -> None:
    step_state = done(Result(key="0", value=0, size=1), None, Result(key="2", value=2, size=1))
    step_state.calls.reverse()
    assert scope_of(step_state) == ScopeEntry(value=[0, None, 2])


def test_a_fallbacks_result_takes_the_calls_place() -> None:
    step_state = done(None, items=False)
    step_state.calls.append(CallState(id="f", fallback=True, status=CallStatus.DONE, result=Result(key="f", value=7)))
    assert done_results(step_state.calls)[None] == Result(key="f", value=7)
    assert scope_of(step_state) == ScopeEntry(value=7)


def test_large_results_are_in_the_scope_by_key() -> None:
    large = Result(key="k", size=INLINE_BYTES + 1, inline=False)
    assert scope_of(done(large, items=False)) == ScopeEntry(stored="k")
    assert inline_scope({"a": ScopeEntry(stored="k"), "b": ScopeEntry(value=1)}) is None
    assert scope_of(done(large, Result(key="l", value=1))).stored == ["k", "l"]


def test_many_small_results_are_large_together() -> None:
    half = Result(key="k", size=INLINE_BYTES // 2 + 1, value="x")
    assert scope_of(done(half, half)).stored == ["k", "k"]


def test_a_persons_answer_is_not_lost_beside_large_results() -> None:
    """It has no key, since it isn't stored."""
    entry = scope_of(done(Result(key="k", size=INLINE_BYTES + 1, inline=False), Result(value={"told": "cash"}), None))
    assert entry == ScopeEntry(stored=["k", "", None], given={1: {"told": "cash"}})
    assert ScopeEntry.model_validate_json(entry.model_dump_json()) == entry


def test_results_by_key_and_results_that_no_tool_made() -> None:
    state = state_of({"steps": [step("a"), step("b")]})
    state.steps["a"] = done(Result(key="k0", value=1), None, Result(key="k2", inline=False))
    state.steps["b"] = done(Result(value="a person said"), items=False)
    engine = Engine(state)
    assert engine.result_keys() == {"a": ["k0", "k2"]}
    assert engine.fixed_results() == {"b": "a person said"}


def test_the_roots_of_values_and_expressions() -> None:
    assert roots_of("a.b == c", {"x": [{"$ref": "d.e"}], "y": "f"}) == {"a", "c", "d"}


@pytest.mark.parametrize("status", [StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.PENDING])
def test_a_revision_keeps_what_ended_and_starts_only_new_steps(status: StepStatus) -> None:
    state = state_of({"goal": "g", "steps": [step("a"), step("b")]})
    Engine(state)
    state.steps["a"].status = status
    state.steps["b"].status = StepStatus.DONE
    revise(state, Plan.model_validate({"steps": [step("c", after=["b"])]}))
    assert state.plan is not None
    assert state.plan.goal == "g"
    kept = ["a", "b"] if status.ended else ["b"]
    assert [each.id for each in state.plan.steps] == [*kept, "c"]
    assert [each.id for each in Engine(state).take_ready()] == ["c"]
    assert (state.steps["c"].revision, state.steps["b"].revision) == (1, 0)
