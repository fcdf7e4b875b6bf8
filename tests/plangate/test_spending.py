"""Budgets: how they are written, which runs they are about, and what they count together."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plangate.spending import MODELS, Beyond, Per, SpendingLimit, micros, money, parse_spending

AT = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "of", "per", "unit", "amount", "then"),
    [
        (("refund amount", "per run", "£200", "asks the owner"), "refund.amount", Per.RUN, "GBP", 200, Beyond.ASK),
        (("refund sum.net", "Per Day", "1,000.5 CHF", "never"), "refund.sum.net", Per.DAY, "CHF", 1000.5, Beyond.NEVER),
        (("models", "per user and day", "$0.50", "declines"), MODELS, Per.USER_DAY, "USD", 0.5, Beyond.DECLINE),
        (("Models", "per month", "2,000 tokens", "hands over"), MODELS, Per.MONTH, "tokens", 2000, Beyond.HAND_OVER),
        (("models", "per session", "0 USD", "declines"), MODELS, Per.SESSION, "USD", 0, Beyond.DECLINE),
    ],
)
def test_a_line(line: tuple[str, str, str, str], of: str, per: Per, unit: str, amount: float, then: Beyond) -> None:
    limit = parse_spending(*line)
    assert (limit.of, limit.per, limit.unit, float(money(limit.micros)), limit.then) == (of, per, unit, amount, then)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (("refund", "per day", "£1", "never"), "a tool and its amount"),
        (("refund amount", "daily", "£1", "never"), "'per user and day'"),
        (("refund amount", "per day", "1", "never"), "the currency is missing; write for example '£200'"),
        (("refund amount", "per day", "1 tokens", "never"), "'tokens' is no currency"),
        (("refund amount", "per day", "£-1", "never"), "below zero"),
        (("refund amount", "per day", "lots", "never"), "'lots' isn't a number"),
        (("refund amount", "per day", "£9,999,999,999", "never"), "more than 1,000,000,000"),
        (("refund amount", "per day", "£1", ""), "what happens when it is exceeded"),
        (("refund amount", "per day", "£1", "declines"), "'declines' can't be read"),
        (("models", "per day", "£1", "declines"), "counted in USD or tokens, not in 'GBP'"),
        (("models", "per day", "5", "declines"), "the unit is missing"),
        (("models", "per day", "$5", ""), "what happens when it is exceeded"),
        (("models", "per day", "$5", "asks first"), "'declines' or 'hands over'"),
    ],
)
def test_a_line_with_a_mistake(line: tuple[str, str, str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_spending(*line)
    assert problem in str(caught.value)


def limit(per: Per, **fields: str) -> SpendingLimit:
    return SpendingLimit(of="refund.amount", per=per, unit="GBP", micros=1, then=Beyond.ASK, **fields)


def account(per: Per, *, run: str = "r1", agent: str = "a", user: str | None = "u", session: str | None = "s") -> str:
    return limit(per, agent="a").account(run=run, agent=agent, user=user, session=session, at=AT)


def test_what_counts_together() -> None:
    assert account(Per.RUN) != account(Per.RUN, run="r2")
    assert account(Per.SESSION) == account(Per.SESSION, run="r2", user="v")
    assert account(Per.SESSION, session=None) != account(Per.SESSION, session=None, run="r2")
    assert account(Per.USER_DAY) == account(Per.USER_DAY, run="r2", session="t")
    assert account(Per.USER_DAY) != account(Per.USER_DAY, user="v")
    assert account(Per.USER_DAY, user=None) == account(Per.USER_DAY, user=None, run="r2")  # all without a name: one
    assert account(Per.DAY) == account(Per.DAY, run="r2", user="v", session="t")
    assert len({account(per) for per in Per}) == len(Per)
    assert "2026-03-31" in account(Per.DAY)
    assert "2026-03|" in account(Per.MONTH)
    assert limit(Per.DAY).account(run="", agent="b", user="", session="", at=AT).startswith("*|")


def test_names_cannot_reach_into_another_account() -> None:
    forged = limit(Per.USER_DAY, agent="a|x").account(run="r", agent="a|x", user="u|v", session=None, at=AT)
    assert forged.count("|") == account(Per.USER_DAY).count("|")


def test_a_budget_that_somebody_set_may_be_about_one_user_or_session() -> None:
    whose = limit(Per.USER_DAY, user="u", set_by="kim")
    assert whose.applies(agent="a", user="u", session=None)
    assert not whose.applies(agent="a", user="v", session=None)
    assert not limit(Per.DAY, agent="b").applies(agent="a", user=None, session=None)
    assert whose.rule.startswith("budget.refund.amount.user-and-day.")
    assert whose.rule != limit(Per.USER_DAY, user="v", set_by="kim").rule
    assert limit(Per.DAY).rule == "scope.spending.refund.amount.day"


def test_amounts_are_rounded_up_to_millionths() -> None:
    assert micros("0.0000001") == 1
    assert micros(0.1) + micros(0.2) == micros(0.3)


def test_a_name_written_otherwise_has_no_second_budget() -> None:
    for per in (Per.USER_DAY, Per.USER_MONTH):
        assert account(per, user="Rosa@Example.com ") == account(per, user="rosa@example.com")
        assert account(per, user="rosa@example.com") != account(per, user="kim@example.com")
    own = limit(Per.USER_DAY).model_copy(update={"user": "rosa@example.com"})
    assert own.applies(agent="a", user="ROSA@example.com", session=None)
    assert not own.applies(agent="a", user=None, session=None)
