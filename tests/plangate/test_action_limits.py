"""Limits of single actions: what is read, what they say of a call, and what can't be read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plangate.action_limits import CALLS, LimitOf, parse_limit, strictest
from plangate.policy import Action, Verdict, parse_rule

USER = "Rosa.Amsel@example.org"


def says(limit: str, value: Any, *, argument: str = "x", then: str = "never", user: str | None = USER) -> str:
    """What a limit says of a value: `allow`, or the reason why not."""
    verdict = parse_limit("pay", argument, limit, then).verdict({"x": value}, user=user)
    return verdict.reason if verdict else "allow"


@pytest.mark.parametrize(
    ("limit", "within", "beyond"),
    [
        ("at most £500", [500, 499.99, "500.00", -1], [500.01, "500.001", float("nan"), "1e9", "much", None, True, []]),
        ("at least 1", [1, 2], [0, 0.99]),
        ("between 1 and 20 rows", [1, 20], [0, 21, None]),
        ("up to 1,000.50 EUR", [1000.5], [1000.51]),
        ("at most 2 items", [[], [1, 2], None], [[1, 2, 3], "ab"]),
        ("at most 3 characters", ["", "abc", None], ["abcd", 5]),
        ("one of DHL, Royal Mail or 'Hare and Sons'", ["DHL", "Royal Mail", "Hare and Sons", ["DHL"]], ["dhl", "Hare"]),
        ("one of 1, yes", [1, True], [True and 2, False]),
    ],
)
def test_within_and_beyond(limit: str, within: list[Any], beyond: list[Any]) -> None:
    assert [says(limit, value) for value in within] == ["allow"] * len(within)
    assert "allow" not in [says(limit, value) for value in beyond]


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("kim@example.com", True),
        (" Kim@EXAMPLE.com ", True),
        (["kim@example.com", "boss@partner.org"], True),
        ("rosa.amsel@example.org", True),  # the requester's own
        (None, True),
        ("boss@other.org", False),
        ("kim@mail.example.com", False),
        ("kim@example.com.evil.org", False),
        ("kim@example.com, mallory@evil.org", False),
        ("kim@example.com\nbcc: mallory@evil.org", False),
        ("Kim <kim@example.com>", False),
        ("kim@exampl\u0435.com", False),  # a Cyrillic letter
        ("kim@examp\u017fe.com", False),
        ("rosa.amſel@example.org", False),  # folds to the requester's own
        (["kim@example.com", "mallory@evil.org"], False),
        ({"to": "kim@example.com"}, False),
        ("https://example.com/x?y=1", True),
        ("https://example.com:443", True),
        ("https://example.com@evil.org/", False),
        ("https://evil.org/example.com", False),
        ("https://example.com\\@evil.org", False),
    ],
)
def test_recipients(value: Any, allowed: bool) -> None:
    said = says("only addresses at example.com, boss@partner.org, or the customer's own", value)
    assert (said == "allow") is allowed, said


def test_the_own_address_of_nobody_is_none() -> None:
    assert says("only addresses at the customer's own", "a@b.org", user="a@b.org") == "allow"
    assert says("only addresses at the customer's own", "a@b.org", user=None) != "allow"
    assert says("only addresses at the customer's own", "login", user="login") != "allow"


def test_paths_lead_through_lists_and_a_missing_argument_counts_as_exceeded() -> None:
    limit = parse_limit("pay", "lines.amount", "at most £5", "asks the owner")
    assert limit.verdict({"lines": [{"amount": 5}, {"amount": 1}]}) is None
    for args in ({"lines": [{"amount": 1}, {"amount": 6}]}, {"lines": []}, {}, {"lines": None}, {"lines": [{}]}):
        verdict = limit.verdict(args)
        assert verdict is not None
        assert (verdict.action, verdict.rule) == (Action.ASK, "scope.actions.pay.lines.amount")
    assert verdict.reason == "'lines.amount' of pay is missing; the scope says 'at most £5'; the owner is asked"


def test_calls_are_counted() -> None:
    limit = parse_limit("pay", CALLS, "at most 2 calls", "asks first")
    assert [limit.verdict({}, nth=nth) is None for nth in (0, 1, 2, 3)] == [True, True, True, False]
    assert limit.rule == "scope.actions.pay.calls-in-a-run"


@pytest.mark.parametrize(
    ("argument", "limit", "then", "problem"),
    [
        ("x", "at most £5", "", "what happens when it is exceeded"),
        ("x", "at most £5", "maybe", "'maybe' can't be read"),
        ("x", "at most £5", "asks first or never", "says two things"),
        ("x", "at most £5", "asks first and never", "says two things"),
        ("x", "at most -£5", "never", "isn't a number"),
        ("x", "at most £-5", "never", "is below zero"),
        ("x", "between -3 and -1 items", "never", "is below zero"),
        ("x", "at most -1 characters", "never", "is below zero"),
        ("x", "only addresses at exämple.com", "never", "xn--"),
        ("x", "at most five", "never", "'five' isn't a number"),
        ("x", "about 5", "never", "'about 5' is not a limit"),
        ("x", "at most 5 pounds", "never", "counted in 'pounds', which isn't known: an amount of money has a currency"),
        ("x", "at most £5 EUR", "never", "'£5 EUR' has two units"),
        ("x", "between £5 and €9", "never", "two units, GBP and EUR"),
        ("x", "between 9 and 5", "never", "allows nothing"),
        ("x", "only addresses at nowhere", "never", "'nowhere' is no domain or address"),
        ("x", "one of ,", "never", "nothing is listed"),
        (CALLS, "at most £3", "never", "not a number of calls"),
        (CALLS, "at most 1.5", "never", "not a number of calls"),
        (CALLS, "at least 1", "never", "at most 3 calls"),
    ],
)
def test_what_cannot_be_read(argument: str, limit: str, then: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_limit("pay", argument, limit, then)
    assert problem in str(caught.value)


@given(st.decimals(min_value=-1000, max_value=1000, places=2), st.decimals(min_value=0, max_value=1000, places=2))
def test_a_number_is_within_exactly_when_it_is_not_more(value: Decimal, most: Decimal) -> None:
    limit = parse_limit("pay", "x", f"at most {most}", "never")
    assert limit.of is LimitOf.NUMBER
    for form in (float(value), str(value)):
        assert (limit.verdict({"x": form}) is None) == (value <= most)


def test_the_strictest_verdict_holds_and_equal_ones_are_joined() -> None:
    allow, ask, more, block = (
        Verdict(action=action, rule=rule, reason=rule)
        for action, rule in ((Action.ALLOW, "a"), (Action.ASK, "b"), (Action.ASK, "c"), (Action.BLOCK, "d"))
    )
    assert strictest([allow, None, ask]) is ask
    assert strictest([allow, block, ask]) is block
    both = strictest([ask, allow, more])
    assert (both.action, both.rule, both.reason) == (Action.ASK, "b c", "b; c")


def test_a_draft_is_stricter_than_a_question_and_laxer_than_never() -> None:
    assert Action.ASK.strictness < Action.DRAFT.strictness < Action.BLOCK.strictness
    rule = parse_rule("drafts it, a person does it")
    assert (rule.then, rule.short) == (Action.DRAFT, "draft")
    either = parse_rule("asks first when amount is under 25, otherwise drafts it")
    assert [either.verdict("pay", {"amount": amount}).action for amount in (1, 25)] == [Action.ASK, Action.DRAFT]
    assert either.verdict("pay", {}).action is Action.DRAFT


def test_an_amount_of_a_million_digits_is_beyond_and_is_not_written_out() -> None:
    limit = parse_limit("pay", "amount", "at most £500", "never")
    for amount in ("1E+999999", "-1E+999999", 10**400, "9" * 4000, 1e308):
        verdict = limit.verdict({"amount": amount})
        assert verdict is None or len(verdict.reason) < 200
        assert (verdict is None) == str(amount).startswith("-")


def test_a_reason_names_no_address() -> None:
    limit = parse_limit("mail", "to", "only addresses at example.com", "never")
    for value in ("kim.larkin@evil.example", ["kim.larkin@evil.example", "x@example.com"]):
        verdict = limit.verdict({"to": value})
        assert verdict is not None
        assert "kim.larkin" not in verdict.reason
        assert "…@evil.example" in verdict.reason
