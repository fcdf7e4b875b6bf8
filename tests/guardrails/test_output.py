"""Grounding, claims, wording and confidence: what each rule finds, what it leaves alone, what becomes of the answer."""

from __future__ import annotations

import dataclasses
import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from activities.guardrails.claims import claimed, claims_in
from activities.guardrails.confidence import confidence, weighed
from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.facts import Sort, facts_in
from activities.guardrails.grounding import grounded
from activities.guardrails.numerals import number
from activities.guardrails.wording import worded
from plangate.guardrails import Claims, GuardrailSettings, Unsupported
from plangate.policy import Action, Verdict
from plangate.run_status import StepReport
from plangate.runs import Outcome, StepStatus
from plangate.tasks import Answer
from tests.activities.model_fixtures import StubAgent
from tests.guardrails.corpora.answers import NOT_CLAIMS_TUNED, Writes
from tests.guardrails.corpora.worlds import Order, World

WORLD = World(
    own=Order("4711", 62.0, date(2026, 3, 3), "Wren teapot"),
    second=Order("4822", 31.0, date(2025, 12, 30), "tea caddy"),
    strange=Order("9013", 499.0, date(2024, 7, 7), "kettle"),
    refund="rf_0a1b2c3d", tracking="TS12345678GB", email="rosa10@example.com", late=6, carrier="Royal Mail",
)  # fmt: skip
DENIED = dataclasses.replace(WORLD, refunded=False, memo={})


def subject(text: str, world: World = WORLD, **settings: Any) -> Answered:
    """An answer under these settings."""
    answered = dataclasses.replace(world, memo={}).answered(text)
    scope = answered.agent.scope.model_copy(update={"guardrails": GuardrailSettings.model_validate(settings)})
    agent = StubAgent(name="support", scope=scope)
    object.__setattr__(agent, "tools", answered.agent.tools)
    return dataclasses.replace(answered, agent=agent)


def rules(said: Any) -> list[str]:
    """The rules of what a guardrail said."""
    if said is None:
        return []
    return [said.verdict.rule] if isinstance(said, Changed) else [verdict.rule for verdict in said]


@pytest.mark.parametrize(
    ("text", "sort", "value"),
    [
        ("£62.00", Sort.AMOUNT, "62.00"), ("62 pounds 50", Sort.AMOUNT, "62.5"), ("1.000,50 €", Sort.AMOUNT, "1000.50"),
        ("sixty-two pounds", Sort.AMOUNT, "62"), ("50p", Sort.AMOUNT, "0.5"), ("GBP 1,000", Sort.AMOUNT, "1000"),
        ("ten per cent", Sort.PERCENT, "10"), ("three to five days", Sort.NUMBER, "3"),
        ("a 30-day return", Sort.NUMBER, "30"),
    ],
)  # fmt: skip
def test_amounts_and_numbers_are_read_in_every_form(text: str, sort: Sort, value: str) -> None:
    fact = facts_in(text)[0]
    assert (fact.sort, fact.value) == (sort, Decimal(value))


@pytest.mark.parametrize("text", ["2026-03-03", "3 March 2026", "03/03/2026", "March 3rd, 2026", "3. März 2026"])
def test_a_day_is_the_same_in_every_form(text: str) -> None:
    (fact,) = facts_in(f"It came on {text}.")
    assert fact.date == (2026, 3, 3)


def test_what_is_no_fact() -> None:
    assert facts_in("1. One of them is fine, 24/7.\n2. You may come, no problem.") == ()
    assert number("one hundred and twenty") == 120


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("It cost £63.00.", "grounding.amount"), ("It cost €62.00.", "grounding.amount"),
        ("It comes on 19 July.", "grounding.date"), ("It takes 17 days.", "grounding.number"),
        ("It is 45% off.", "grounding.percent"), ("It is order 9999.", "grounding.id"),
        ("Write to x@example.org.", "grounding.email"), ("See https://x.example.org/a.", "grounding.link"),
        ("It leaves at 10:30.", "grounding.id"),
    ],
)  # fmt: skip
def test_each_sort_of_fact_that_nothing_supports_is_flagged(text: str, rule: str) -> None:
    said = grounded(subject(f"Hello. {text}"))
    assert rules(said) == [rule]
    assert grounded(subject("It cost £62.00, came six days late, and free delivery begins at £40.")) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("It comes on 19 Aug.", "date 19 Aug"), ("It comes on 19 May. Soon.", "date 19 May"),
        ("It leaves at 10 a.m.", "id 10 a.m."), ("It cost £63.00.", "amount £63.00"),
    ],
)  # fmt: skip
def test_what_is_shown_ends_without_the_sentences_full_stop(text: str, told: str) -> None:
    said = grounded(subject(f"Hello. {text}"))
    assert isinstance(said, list)
    assert [verdict.detail for verdict in said] == [told]


def test_sums_and_distances_are_supported_and_titles_are_not() -> None:
    assert grounded(subject("With delivery that is £66.50; it came 11 days after you ordered.")) is None
    answered = subject("It cost £77.10.")
    titled = answered.task.model_copy(update={"steps": [StepReport(id="x", title="Refund £77.10", tool="refund_payment",
                                                                   status=StepStatus.DONE)]})  # fmt: skip
    assert rules(grounded(dataclasses.replace(answered, task=titled))) == ["grounding.amount"]


def test_the_scope_says_what_becomes_of_unsupported_facts() -> None:
    text = "It came late. It cost £63.00. Sorry."
    removed = grounded(subject(text, unsupported=Unsupported.REMOVED))
    assert isinstance(removed, Changed)
    assert removed.text == "It came late. Sorry."
    refused = grounded(subject(text, unsupported=Unsupported.REFUSED))
    assert isinstance(refused, list)
    assert refused[0].action is Action.BLOCK
    flagged = grounded(subject(text))
    assert isinstance(flagged, list)
    assert (flagged[0].action, flagged[0].detail) == (Action.CHANGE, "amount £63.00")
    assert "rosa99" not in str(grounded(subject("Write to rosa99@example.com.")))


def test_a_claim_needs_a_step_that_is_done() -> None:
    assert claimed(subject("We have refunded £62.00 for order 4711 and e-mailed you.")) is None
    said = claimed(subject("We have refunded £62.00 for order 4711.", DENIED))
    assert isinstance(said, list)
    assert (rules(said), said[0].action) == (["claims.not-done"], Action.BLOCK)
    assert rules(claimed(subject("We have refunded £40.00."))) == ["claims.other-amount"]
    assert rules(claimed(subject("We have refunded order 4712."))) == ["claims.other-object"]
    removed = claimed(subject("Sorry about that. I've refunded you.", DENIED, claims=Claims.REMOVED))
    assert isinstance(removed, Changed)
    assert removed.text == "Sorry about that."


def test_what_a_result_says_itself_is_no_false_claim() -> None:
    answered = subject("Your order was cancelled.", DENIED)
    assert rules(claimed(answered)) == ["claims.not-done"]
    found = {**answered.results, "order": {"order_id": "4711", "status": "cancelled"}}
    assert claimed(dataclasses.replace(answered, results=found, evidence=None)) is None
    before = {"order": {"order_id": "4711", "payment": {"paid": 62.0, "refunded": 62.0, "method": "card"}}}
    for text, wrong in (
        ("Everything that you paid for order 4711 has been paid back already.", []),
        ("Order 4822 has been paid back already.", ["claims.other-object"]),
        ("We have refunded £31.00 for order 4711.", ["claims.other-amount"]),
    ):
        said = claimed(dataclasses.replace(subject(text, DENIED), results=before, evidence=None))
        assert rules(said) == wrong, text


@pytest.mark.parametrize("write", NOT_CLAIMS_TUNED)
def test_no_claim(write: Writes) -> None:
    assert claims_in(write(DENIED)) == []


@pytest.mark.parametrize(
    ("settings", "text", "left", "rule"),
    [
        ({"never_says": ("no worries",)}, "Hello. No  worries! Bye.", "Hello. Bye.", "wording.phrase"),
        ({"promises": ("gift",)}, "Hello. You will get a gift. Bye.", "Hello. Bye.", "wording.promise"),
        ({"link_domains": ("shop.test",)}, "Ok. See https://evil.test/a now.", "Ok.", "wording.link"),
        ({"answer_characters": 50}, "A first sentence. " * 4, "A first sentence. A first sentence.", "wording.length"),
    ],
)  # fmt: skip
def test_each_rule_about_wording(settings: dict[str, Any], text: str, left: str, rule: str) -> None:
    said = worded(subject(text, **settings))
    assert isinstance(said, Changed)
    assert (said.text, said.verdict.rule) == (left, rule)
    assert worded(subject(text)) is None


def test_what_breaks_no_rule_about_wording() -> None:
    rules_ = {"promises": ("gift",), "link_domains": ("shop.test",)}
    for text in ("We can't give you a gift.", "Gifts are wrapped by hand.", "See https://www.shop.test/a."):
        assert worded(subject(text, **rules_)) is None


def test_the_confidence_says_why() -> None:
    task = subject("x").task
    assert confidence(task, [], []) == (1.0, [])
    flagged = [Verdict(action=Action.CHANGE, rule="grounding.amount", detail="amount £63.00")]
    assert confidence(task, flagged, []) == (0.8, ["nothing supports amount £63.00"])
    for update in ({"gaps": ["a"]}, {"repairs": 1}, {"doubts": ["cut off"]},
                   {"steps": [StepReport(id="a", title="", tool="t", status=StepStatus.DONE, revision=2)]}):  # fmt: skip  # noqa: E501
        found, why = confidence(task.model_copy(update=update), [], [])
        assert found < 1, update
        assert len(why) == 1
    rejected = task.model_copy(update={"gaps": ["a"], "outcome": Outcome.REJECTED})
    assert confidence(rejected, [], []) == (1.0, []), "a person's no is no doubt"
    claims = [Verdict(action=Action.BLOCK, rule="claims.not-done")]
    assert confidence(task, claims, ["a part was taken out"])[0] == 0.4


def test_a_low_confidence_hands_over_only_when_the_scope_says_so() -> None:
    flagged = [Verdict(action=Action.CHANGE, rule="grounding.amount", detail="amount £63.00")]
    answer, task = Answer(text="It cost £63.00.", verdicts=flagged), subject("x").task
    shown = weighed(answer, task, None)
    assert (shown.text, shown.confidence, shown.hand_over) == ("It cost £63.00.", 0.8, False)
    assert not weighed(answer, task, 0.8).hand_over
    held = weighed(answer, task, 0.9)
    assert (held.text, held.hand_over, held.verdicts[-1].rule) == ("", True, "confidence.low")


@pytest.mark.parametrize(
    "part", ["1", "x", "a-", "1.", "1 ", "2026-", "“", "\n", "x@", "...", "we have ", "a hundred "]
)
def test_a_long_answer_of_anything_is_read_in_linear_time(part: str) -> None:
    """An answer of a model has up to 64 KiB, and is judged again and again while it streams."""
    answered = subject((part * 16_000)[:16_000], promises=("gift",), link_domains=("shop.test",))
    begin = time.process_time()
    for check in grounded, claimed, worded:
        check(answered)
    assert time.process_time() - begin < 5
