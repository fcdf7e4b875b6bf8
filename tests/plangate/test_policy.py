"""Rules in words, and that what can't be evaluated never allows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plangate.policy import Action, Rule, parse_rule


def verdict(rule: str, **args: Any) -> Action:
    return parse_rule(rule).verdict("tool", args).action


@pytest.mark.parametrize(
    ("text", "action", "short"),
    [
        ("by itself", Action.ALLOW, "allow"),
        ("By itself.", Action.ALLOW, "allow"),
        ("**asks first**", Action.ASK, "ask"),
        ("_asks first_", Action.ASK, "ask"),
        ("  never ", Action.BLOCK, "never"),
    ],
)
def test_plain_rules(text: str, action: Action, short: str) -> None:
    rule = parse_rule(text)
    assert (rule.then, rule.short, rule.when) == (action, short, [])


@pytest.mark.parametrize(
    ("text", "field", "op", "value"),
    [
        ("amount is under 25", "amount", "<", 25.0),
        ("`amount` is below £1,250.50", "amount", "<", 1250.5),
        ("amount is at most 25 EUR", "amount", "<=", 25.0),
        ("amount is up to .5", "amount", "<=", 0.5),
        ("amount is over -3", "amount", ">", -3.0),
        ("amount >= 3", "amount", ">=", 3.0),
        ("amount<3", "amount", "<", 3.0),
        ("order_id is A-1", "order_id", "==", "A-1"),
        ("`order_id` is A_1", "order_id", "==", "A_1"),
        ("*order_id* is not 7", "order_id", "!=", 7.0),
        ("address.country is not GB", "address.country", "!=", "GB"),
        ("notify is yes", "notify", "==", True),
        ("code is '007'", "code", "==", "007"),
        ("city is “this or that”", "city", "==", "this or that"),
    ],
)
def test_conditions(text: str, field: str, op: str, value: Any) -> None:
    (condition,) = parse_rule(f"by itself when {text}, otherwise asks first").when
    assert (condition.field, condition.op, condition.value) == (field, op, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sometimes",
        "by itself when amount is under 25",
        "by itself when amount is under 25, otherwise maybe",
        "by itself when amount is under many, otherwise asks first",
        "by itself when amount is under 2,50, otherwise asks first",
        "by itself when amount is under 1,00,000, otherwise asks first",
        "by itself when amount is not over 25, otherwise asks first",
        "by itself when amount is under 25 or over 100, otherwise asks first",
        "by itself when country is GB or US, otherwise asks first",
        "by itself when 25 is amount, otherwise asks first",
        "asks first when country is in RU, otherwise by itself",
        "asks first when country is one of RU, otherwise by itself",
        "asks first when amount is bigger than 100, otherwise by itself",
        "asks first when amount is no more than 100, otherwise by itself",
        "asks first when amount is not, otherwise by itself",
        "asks first when to is *@evil.example, otherwise by itself",
    ],
)
def test_what_is_no_rule_is_told_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"a rule is 'by itself'|conditions are joined with 'and' only"):
        parse_rule(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("by itself when amount is under 25, otherwise by itself", "its condition changes nothing"),
        ("by itself when amount is under £25 EUR, otherwise never", "has two units"),
    ],
)
def test_what_contradicts_itself(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_rule(text)


def test_words_in_quotes_and_short_names_are_values() -> None:
    for words in ("'in RU'", "IN", "No", "'@home'"):
        (condition,) = parse_rule(f"asks first when country is {words}, otherwise by itself").when
        assert condition.value in ("in RU", "IN", False, "@home")


def test_conditions_are_joined_with_and() -> None:
    rule = "by itself when amount is under 25 and country is GB, otherwise asks first"
    assert verdict(rule, amount=3, country="GB") is Action.ALLOW
    assert verdict(rule, amount=30, country="GB") is Action.ASK
    assert verdict(rule, amount=3, country="US") is Action.ASK
    assert verdict(rule, amount=3) is Action.ASK


@pytest.mark.parametrize(
    ("value", "action"),
    [
        (24.99, Action.ALLOW),
        ("24.99", Action.ALLOW),
        (25, Action.ASK),
        (None, Action.ASK),
        (True, Action.ASK),
        ("cheap", Action.ASK),
        ([1], Action.ASK),
        ({}, Action.ASK),
        (float("nan"), Action.ASK),
        ("nan", Action.ASK),
    ],
)
def test_a_number_decides_and_anything_else_asks(value: Any, action: Action) -> None:
    assert verdict("by itself when amount is under 25, otherwise asks first", amount=value) is action


@pytest.mark.parametrize("value", [float("nan"), "nan", None, "much", True, float("inf"), 26])
def test_what_is_no_number_does_not_pass_a_rule_that_asks_above_a_limit(value: Any) -> None:
    assert verdict("asks first when amount is over 25, otherwise by itself", amount=value) is Action.ASK


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
actions = st.sampled_from(["by itself", "asks first", "never"])
comparisons = st.sampled_from(["is under 25", "is over 3", "is at least 0", "is not 7", "is x", "is yes", "is not GB"])


@given(actions, actions, st.lists(comparisons, min_size=1, max_size=3), anything)
def test_a_rule_only_says_one_of_its_two_actions_and_the_stricter_when_in_doubt(
    then: str, otherwise: str, parts: list[str], value: Any
) -> None:
    assume(then != otherwise)
    conditions = " and ".join(f"a.b {part}" for part in parts)
    rule = parse_rule(f"{then} when {conditions}, otherwise {otherwise}")
    choices = [rule.then, rule.otherwise]
    stricter = max((each for each in choices if each), key=lambda action: action.strictness)
    assert rule.verdict("t", {"a": {"b": value}}).action in choices
    assert rule.verdict("t", {"a": value}).action in choices
    assert rule.verdict("t", {}).action is stricter


@given(st.text(max_size=80))
def test_any_text_is_a_rule_or_a_value_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except ValueError:
        return
    assert isinstance(rule, Rule)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_numbers_compare_as_numbers(limit: int, amount: int) -> None:
    rule = f"by itself when amount is under {limit:,}, otherwise asks first"
    assert verdict(rule, amount=amount) is (Action.ALLOW if amount < limit else Action.ASK)
