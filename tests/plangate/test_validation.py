from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plangate.agents import Limits
from plangate.plan_reading import nearest
from plangate.plans import MAX_STEPS, Plan
from plangate.validation import dependencies, reference_roots
from tests.plangate.plan_makers import check, dags, mistakes, step


@given(dags())
@settings(max_examples=150, deadline=None)
def test_any_dag_is_accepted(plan: dict[str, Any]) -> None:
    found, problems = check(plan)
    assert problems == []
    assert found is not None
    assert check(found)[1] == []


@given(dags(), st.data())
@settings(max_examples=150, deadline=None)
def test_any_cycle_is_found(plan: dict[str, Any], data: st.DataObject) -> None:
    found, _ = check(plan)
    assert found is not None
    needs = {each.id: dependencies(each) for each in found.steps}
    behind = {(one, two) for two in needs for one in reach(needs, two)}
    if not behind:
        return
    early, late = data.draw(st.sampled_from(sorted(behind)))
    steps = [{**each, "after": [*each["after"], late]} if each["id"] == early else each for each in plan["steps"]]
    (problem,) = mistakes(*steps)
    assert "in a circle" in problem
    assert early in problem
    assert late in problem


def reach(needs: dict[str, frozenset[str]], start: str) -> set[str]:
    found: set[str] = set()
    row = set(needs[start])
    while row:
        found |= row
        row = {name for each in row for name in needs[each]} - found
    return found


BREAKS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown tool": ({"tool": "fnd"}, "there is no tool 'fnd', did you mean 'find'?"),
    "forbidden tool": ({"tool": "erase", "args": {}}, "'erase' is never used"),
    "unknown reference": ({"args": {"q": {"$ref": "zzz.id"}}}, "refers to 'zzz', which is no step"),
    "unknown after": ({"after": ["zzz"]}, "there is no other step 'zzz'"),
    "self": ({"when": "SELF.ok"}, "a step can't refer to itself"),
    "whole scope": ({"when": "length(@) > `1`"}, "instead of `@`"),
    "item": ({"when": "item.ok"}, "`item` is known only"),
    "no JMESPath": ({"for_each": "a..b"}, "not a JMESPath expression"),
    "argument": ({"args": {"limti": 3}}, "no such argument, did you mean 'limit'?"),
    "value": ({"args": {"limit": 0}}, "args.limit: 0 is less than the minimum"),
    "missing": ({"tool": "refund", "args": {}}, "args.order: 'refund' needs this argument"),
    "null": ({"when": "input.n == null"}, "write null as a literal"),
    "fallback tool": ({"fallback": {"tool": "fnd"}}, "fallback.tool: there is no tool 'fnd'"),
    "fallback of nothing": ({"fallback": {}}, "a fallback has a `tool` or a `value`"),
    "field": ({"retry": 3}, "there is no such field"),
    "type of a field": ({"optional": "perhaps"}, "optional: Input should be a valid boolean"),
}


@given(dags().filter(lambda plan: plan["steps"]), st.dictionaries(st.integers(0, 8), st.sampled_from(sorted(BREAKS))))
@settings(max_examples=150, deadline=None)
def test_all_mistakes_are_found_at_once_each_with_its_step(plan: dict[str, Any], breaks: dict[int, str]) -> None:
    steps = [dict(each) for each in plan["steps"]]
    expected = []
    for number, kind in breaks.items():
        broken = steps[number % len(steps)]
        if "broken" in broken:
            continue
        change, message = BREAKS[kind]
        broken |= {**change, "broken": True}
        if broken.get("when") == "SELF.ok":
            broken["when"] = f"{broken['id']}.ok"
        expected.append((broken["id"], message))
    for each in steps:
        each.pop("broken", None)
    found = mistakes(*steps)
    for name, message in expected:
        assert any(line.startswith(f"step '{name}'") and message in line for line in found), (message, found)
    assert bool(found) == bool(expected)


@given(dags().filter(lambda plan: plan["steps"]), st.data())
@settings(max_examples=60, deadline=None)
def test_any_duplicate_id_is_found(plan: dict[str, Any], data: st.DataObject) -> None:
    twin = data.draw(st.sampled_from(plan["steps"]))
    assert any("stands twice" in line for line in mistakes(*plan["steps"], step(twin["id"])))


@pytest.mark.parametrize("data", [None, 5, "plan", [], [{"id": "a"}]])
def test_what_is_no_object_is_no_plan(data: object) -> None:
    plan, problems = check(data)
    assert plan is None
    assert "a plan is an object with `goal` and `steps`" in str(problems[0])


def test_mistakes_in_form_name_the_step_by_id_or_position() -> None:
    lines = mistakes({"id": "a", "tool": 5}, {"tool": "find"}, {"id": "B-1", "tool": "find"}, "text")
    assert lines[0].startswith("step 'a', tool:")
    assert lines[1].startswith("step '#2', id:")
    assert lines[2].startswith("step 'B-1', id:")
    assert lines[3].startswith("step '#4'")


def test_mistakes_in_form_hide_no_others_and_make_none_up() -> None:
    lines = mistakes(
        step("a", foo=1), step("b", "fnd", args={"q": {"$ref": "a.x"}}), step("c", args={"q": {"$ref": "zzz"}})
    )
    assert [line.split(":")[0] for line in lines] == ["step 'a', foo", "step 'b', tool", "step 'c', args.q"]


def test_unknown_fields_are_told_with_those_of_their_place() -> None:
    (line,) = mistakes(step("a", fallback={"tol": "find"}))
    assert line == "step 'a', fallback.tol: there is no such field, did you mean 'tool'?; fields are tool, args, value"
    (line,) = mistakes(step("a", foreach="x"))
    assert "did you mean 'for_each'?" in line
    assert "fields are goal, steps, needs" in str(check({"steps": [], "stepz": 1})[1][0])


def test_reserved_names_are_no_ids() -> None:
    assert "reserved" in mistakes(step("input"))[0]
    assert "reserved" in mistakes(step("item"))[0]


def test_the_scopes_limit_of_steps_holds() -> None:
    many = [step(f"s{n}") for n in range(4)]
    assert mistakes(*many, limits=Limits(plan_steps=4)) == []
    assert "4 steps are more than the scope's 3" in mistakes(*many, limits=Limits(plan_steps=3))[0]


def test_a_revision_may_name_steps_that_are_done_and_use_no_id_again() -> None:
    revised = [step("b", args={"q": {"$ref": "old.x"}}, after=["old"])]
    assert mistakes(*revised, known=["old"], taken=["old", "gone"]) == []
    assert "already ended" in mistakes(step("old"), known=["old"])[0]
    assert "already ended" in mistakes(step("gone"), taken=["gone"])[0]
    assert "no step" in mistakes(step("b", args={"q": {"$ref": "gone.x"}}), taken=["gone"])[0]


def test_ended_and_new_steps_together_fit_into_a_plan() -> None:
    """A revised plan holds both, and it is read again after continue-as-new."""
    ended = [f"old{n}" for n in range(MAX_STEPS)]
    assert mistakes(step("a"), taken=ended[1:]) == []
    assert f"more than the {MAX_STEPS}" in mistakes(step("a"), taken=ended)[0]


def test_item_is_known_in_the_arguments_of_a_list_step_only() -> None:
    each = {"args": {"q": {"$ref": "item.id"}}, "for_each": "input.list"}
    assert mistakes(step("a", **each, fallback={"tool": "find", "args": {"q": {"$ref": "item"}}})) == []
    assert "`item`" in mistakes(step("a", for_each="item.list"))[0]
    assert "`item`" in mistakes(step("a", for_each="input.list", fallback={"value": {"$ref": "item"}}))[0]


def test_the_elements_of_a_list_are_no_steps() -> None:
    """`&price` is looked up in each element."""
    lines = mistakes(step("a"), step("b", args={"q": {"$ref": "sort_by(a.items, &price)[?open && id == `3`].name"}}))
    assert lines == []


def test_values_are_checked_against_the_tools_schema_with_its_definitions() -> None:
    lines = mistakes(step("a", "refund", args={"order": 7, "money": {"value": 101}}))
    assert lines[0] == "step 'a', args.order: 7 is not of type 'string'"
    assert lines[1].startswith("step 'a', args.money.value: 101 is greater than the maximum")


def test_a_value_with_a_reference_in_it_is_checked_when_it_is_bound() -> None:
    args = {"order": {"$ref": "b.id"}, "money": {"value": {"$ref": "b.m"}}}
    assert mistakes(step("a", "refund", args=args), step("b")) == []


@pytest.mark.parametrize("wrong", [{"$ref": 5}, {"$ref": "b", "or": 1}])
def test_a_malformed_reference_is_told(wrong: dict[str, Any]) -> None:
    (line,) = mistakes(step("a", args={"q": [wrong]}), step("b"))
    assert line.startswith("step 'a', args.q[0]: a reference is an object")


def test_a_fallbacks_place_is_told() -> None:
    (line,) = mistakes(step("a", fallback={"value": {"$ref": "zzz"}}))
    assert line.startswith("step 'a', fallback.value: ")
    (line,) = mistakes(step("a", fallback={"value": 1, "args": {"x": 1}}))
    assert line.startswith("step 'a', fallback.args: arguments need a `tool`")


def test_a_cycle_through_a_duplicate_id_is_found_too() -> None:
    lines = mistakes(step("a", after=["b"]), step("b", after=["a"]), step("a"))
    assert any("in a circle: a, b" in line for line in lines)


def test_dependencies_are_what_references_name_and_after() -> None:
    fields: dict[str, Any] = {"args": {"x": {"$ref": "a.b"}}, "when": "b.c && input.n", "for_each": "c.items"}
    one = Plan.model_validate({
        "steps": [step("z", **fields, after="d", fallback={"tool": "find", "args": {"q": {"$ref": "e"}}})]
    }).steps[0]  # fmt: skip
    assert dependencies(one) == {"a", "b", "c", "d", "e"}
    assert reference_roots(one) == {"a", "c", "e"}


def test_the_nearest_name_is_offered_only_when_it_is_near() -> None:
    assert nearest("refnd", ["refund", "find"]) == ", did you mean 'refund'?"
    assert nearest("xyz", ["refund", "find"]) == ""
