"""The figures of the page about answers hold, and no rule can be left out."""

from __future__ import annotations

import re
from functools import cache

import pytest

from activities.guardrails import acts, claims, facts, grounding
from activities.guardrails.facts import Sort
from activities.guardrails.registry import OUTPUT
from tests.guardrails import output_report
from tests.guardrails.corpora.answers import samples
from tests.guardrails.output_report import HELD_OUT, TUNED, Scores, measure
from tests.guardrails.pages import PAGE


@cache
def scores(*, held_out: bool) -> Scores:
    return measure(samples(HELD_OUT if held_out else TUNED, held_out=held_out))


@pytest.mark.parametrize("held_out", [False, True])
def test_what_is_made_up_is_caught_and_what_is_true_goes_out(held_out: bool) -> None:
    found = scores(held_out=held_out)
    planted = sum(each.planted for each in found.rules.values())
    assert (found.true >= 150, planted >= 250) == (True, True)
    assert found.flagged <= 0.02 * found.true, found.mistakes
    assert sum(each.caught for each in found.rules.values()) >= 0.9 * planted, found.mistakes


def test_the_page_has_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {False: scores(held_out=False), True: scores(held_out=True)}
    monkeypatch.setattr(output_report, "measure", lambda held: known[held])
    monkeypatch.setattr(output_report, "samples", lambda seed, *, held_out: held_out)
    assert output_report.table() in PAGE.read_text("utf-8")


def few() -> Scores:
    """Two runs of the tuned set, judged anew."""
    return measure(samples(TUNED, held_out=False, count=2))


@pytest.mark.parametrize("sort", [Sort.AMOUNT, Sort.DATE, Sort.NUMBER, Sort.PERCENT, Sort.ID])
def test_no_sort_of_fact_can_be_left_out(sort: Sort, monkeypatch: pytest.MonkeyPatch) -> None:
    assert few().of(f"grounding.{sort}").by_it > 0
    grounding.facts_of.cache_clear()
    monkeypatch.setattr(facts, "_PATTERNS", tuple(each for each in facts._PATTERNS if each[0] is not sort))
    assert few().of(f"grounding.{sort}").by_it == 0
    grounding.facts_of.cache_clear()


@pytest.mark.parametrize(
    ("rule", "function"),
    [
        ("grounding.mixed-up", "mixed_up"), ("grounding.belonging", "not_theirs"), ("grounding.state", "wrong_states"),
        ("grounding.name", "unknown_names"),
    ],
)  # fmt: skip
def test_no_rule_of_grounding_can_be_left_out(rule: str, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert few().of(rule).by_it > 0
    monkeypatch.setattr(grounding, function, lambda *_: [])
    assert few().of(rule).by_it == 0


@pytest.mark.parametrize(
    "name", [kind.name for kind in acts.KINDS if kind.name in ("refund", "cancel", "send", "change")]
)
def test_no_kind_of_claim_can_be_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = few().of("claims.").caught
    monkeypatch.setattr(claims, "KINDS", tuple(kind for kind in acts.KINDS if kind.name != name))
    assert few().of("claims.").caught < whole


@pytest.mark.parametrize("guard", ["output.claims", "output.grounding"])
def test_no_line_of_the_registry_can_be_left_out(guard: str) -> None:
    rest = tuple(each for each in OUTPUT if each.name != guard)
    (line,) = (each for each in OUTPUT if each.name == guard)
    found = measure(samples(TUNED, held_out=False, count=1), rest)
    assert not any(each.by_it for rule, each in found.rules.items() if re.match(line.rules[0], rule))
