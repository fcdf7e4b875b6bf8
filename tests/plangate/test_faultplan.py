"""Fault plans: what a rule means, the same storm for the same seed, and every mistake of a file with its line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from plangate.errors import InvalidInput
from plangate.faultplan import Counts, FaultPlan, count, pick
from plangate.faultplan_file import parse_fault_plan
from plangate.faults import KINDS, TOOL, Fault, KillPoint


def storm(plan: FaultPlan, calls: Iterable[tuple[str, str]], **facts: Any) -> list[int | None]:
    """Which rule strikes at each of these calls."""
    counts, struck = Counts.of(plan), []
    for dependency, call in calls:
        picked = pick(plan, counts, {dependency}, call, facts)
        count(counts, picked)
        struck.append(picked.rule)
    return struck


def test_after_times_and_the_first_rule_that_applies() -> None:
    text = """
faults:
  - {dependency: database, call: commit, fault: disk_full, after: 1, times: 2}
  - {dependency: database, fault: conflict, times: 1}
"""
    plan = parse_fault_plan(text, source="x")
    assert storm(plan, [("database", "commit")] * 5) == [1, 0, 0, None, None]
    assert storm(plan, [("database", "read"), ("mail", "send"), ("database", "read")]) == [1, None, None]


def test_the_same_seed_is_the_same_storm() -> None:
    def of(seed: int) -> list[int | None]:
        rules = "[{dependency: payments, fault: reset, probability: 0.3}, {dependency: payments, fault: hang}]"
        return storm(parse_fault_plan(f"{{seed: {seed}, faults: {rules}}}", source="x"), [("payments", "refund")] * 60)

    assert of(1) == of(1)
    assert of(1) != of(2)
    assert 5 < of(1).count(0) < 35


def test_a_plan_of_the_offline_model_as_they_were() -> None:
    text = """
seed: 7
faults:
  - {fault: rate_limited, match: {task: plan}, retry_after: 2, times: 2}
  - {fault: cut, match: {task: answer, stream: true}, probability: 0.1, skip: 3}
"""
    plan = parse_fault_plan(text, source="x")
    first, second = plan.faults
    assert (first.dependency, first.retry_after, second.after) == ("model", "2", 3)
    assert storm(plan, [("model", "plan"), ("model", "answer")]) == [0, None]


def test_conditions_and_names() -> None:
    text = "faults: [{dependency: shop, call: get_order, fault: drift, match: {agent: support}}]"
    plan = parse_fault_plan(text, source="x", names={"shop", "get_order"})
    assert storm(plan, [("shop", "get_order")], agent="other") == [None]
    assert storm(plan, [("shop", "get_order"), ("shop", "list_orders")], agent="support") == [0, None]


MISTAKES = """\
sed: 3
seed: x
faults:
  - {fault: explode}
  - dependency: worker
    fault: kill
  - {dependency: mail, fault: drift, tims: 2, times: 0}
  - {dependency: payments, fault: reset, retry_after: 3,
     match: {agent: x, foo: 1}}
  - {dependency: database, fault: commit_lost, call: read, skip: -1}
  - just text
  - {dependency: shop, fault: kill}
  - {dependency: paymnts, fault: reset, probability: 2}
  - {call: plan}
"""


def test_every_mistake_with_its_line_and_what_is_allowed_there() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_fault_plan(MISTAKES, source="f.yaml", names={"shop"})
    assert caught.value.message == "f.yaml is not a fault plan; it has 17 mistakes"
    found = {line.split(": ")[0] + " " + line.split(": ")[1]: line for line in caught.value.details}
    for place, words in {
        "f.yaml:1 sed": "allowed: seed, faults",
        "f.yaml:2 seed": "isn't a whole number",
        "f.yaml:4 faults.0.fault": "'explode' isn't a fault of 'model'; allowed: rate_limited, server_error",
        "f.yaml:5 faults.1.call": "is missing; allowed: before-intent, after-intent",
        "f.yaml:7 faults.2.tims": "allowed: dependency, call, fault",
        "f.yaml:7 faults.2.times": "greater than or equal to 1",
        "f.yaml:7 faults.2.call": "'drift' happens in lookup only",
        "f.yaml:8 faults.3.retry_after": "it is for rate_limited, unavailable",
        "f.yaml:9 faults.3.match.agent": "allowed: contains",
        "f.yaml:9 faults.3.match.foo": "allowed: contains",
        "f.yaml:10 faults.4.call": "'commit_lost' happens in commit only",
        "f.yaml:10 faults.4.after": "greater than or equal to 0",
        "f.yaml:11 faults.5": "a rule is an object",
        "f.yaml:12 faults.6.fault": "allowed: rate_limited, unavailable",
        "f.yaml:13 faults.7.dependency": "allowed: model, payments, mail, database, worker, shop",
        "f.yaml:13 faults.7.probability": "less than or equal to 1",
        "f.yaml:14 faults.8.fault": "is missing",
    }.items():
        assert words in found.pop(place)
    assert not found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults: [", "not YAML"),
        ("- a\n- b", "a fault plan is an object"),
        ("faults: {a: 1}", "has to be a list"),
        ("seed: 1\nseed: 2", "stands twice"),
        ("faults: [{fault: slow, seconds: lots}]", "'lots' isn't a number"),
        ("faults: [{fault: slow, seconds: .nan}]", "seconds"),
    ],
)
def test_files_that_are_no_plan(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_fault_plan(text, source="f.yaml")
    assert words in caught.value.details[0]


def test_an_empty_file_is_an_empty_plan() -> None:
    assert parse_fault_plan("", source="x").faults == []


def test_every_fault_belongs_somewhere() -> None:
    kinds = [*KINDS.values(), TOOL]
    assert {fault for kind in kinds for fault in kind.faults} == set(Fault)
    assert set(KINDS["worker"].calls) == set(KillPoint)
