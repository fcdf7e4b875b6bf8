"""Personal data in answers: found by kind, told only to whom it belongs, and taken out otherwise."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from activities.guardrails.answers import HELD_BACK, Answers
from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.evidence import Evidence
from activities.guardrails.judging import judge_text
from activities.guardrails.pii.finding import detectors, find
from activities.guardrails.pii.redacting import protect
from activities.guardrails.registry import OUTPUT
from plangate.agents import Scope
from plangate.guardrails import GuardrailSettings, PersonalData, PersonalKind
from plangate.policy import Action, Verdict
from plangate.provenance import Trust
from plangate.runs import Outcome
from plangate.tasks import RespondTask
from tests.activities.model_fixtures import StubAgent
from tests.guardrails.pii_report import HELD_OUT, measure

NEEDED = {PersonalKind.CARD, PersonalKind.IBAN, PersonalKind.EMAIL, PersonalKind.PHONE, PersonalKind.SECRET}
CARD = "4111 1111 1111 1111"
ORDER = {
    "order_id": "1042", "customer_email": "rosa@example.com", "phone": "07400 123456", "born": "1980-05-04", "card": CARD,
    "address": {"line1": "14 Mill Lane", "city": "Bath", "postcode": "BA1 1AA"},
    "carrier": {"contact_email": "driver@example.net"},
}  # fmt: skip
OTHER = {"order_id": "1043", "customer_email": "tom@example.com", "phone": "07400 654321"}
TASK = RespondTask(run="r", agent="shop", request="", outcome=Outcome.COMPLETED)


def answered(
    text: str,
    *,
    user: str | None = "rosa@example.com",
    request: str = "Where is it?",
    trust: Trust = Trust.TRUSTED,
    **settings: Any,
) -> Answered:
    evidence = Evidence(request, user, results={"all": [ORDER, OTHER]}, trust={"all": trust})
    agent = StubAgent(scope=Scope(text="Write to desk@thistle.example.", guardrails=GuardrailSettings(**settings)))
    return Answered(agent, text, TASK, {}, evidence)


def shown(text: str, **how: Any) -> str:
    said = protect(answered(text, **how))
    assert not isinstance(said, Verdict)
    return said.text if isinstance(said, Changed) else text


def test_kinds_are_found_on_a_seed_that_no_rule_was_written_for() -> None:
    for kind, score in measure(HELD_OUT).items():
        assert score.there >= 80
        assert score.recall >= (0.98 if kind in NEEDED else 0.9), kind
        assert score.precision >= 0.97, kind


@pytest.mark.parametrize("kind", PersonalKind)
def test_no_detector_can_be_left_out(kind: PersonalKind) -> None:
    without = [each for each in detectors(("GB",)) if each.kind is not kind]
    assert measure(HELD_OUT, without)[kind].recall == 0


def test_a_customer_reads_their_own_and_nobody_elses() -> None:
    own = "Order 1042 for rosa@example.com, phone +44 7400 123456, goes to 14 Mill Lane, Bath, BA1 1AA. Born on 4 May 1980."
    assert shown(own) == own
    assert shown("Tom is tom@example.com, 07400 654321.") == "Tom is [e-mail address removed], [phone number removed]."
    assert shown("The driver is driver@example.net.") == "The driver is [e-mail address removed]."
    assert shown("Write to desk@thistle.example.") == "Write to desk@thistle.example."
    assert shown("It is tom@example.com.", request="I am a friend of tom@example.com") == "It is tom@example.com."
    assert "removed" in shown("Call 07400 123456.", trust=Trust.WEB)
    assert shown("Live at 15 High Street, Bath.") == "Live at [postal address removed]."


def test_the_desk_reads_what_the_request_names_and_leads_to() -> None:
    text = "rosa@example.com, 07400 123456; tom@example.com, 07400 654321"
    assert (
        shown(text, user="kim", request="Who is order #1042?")
        == "rosa@example.com, 07400 123456; [e-mail address removed], [phone number removed]"
    )
    assert shown(text, user=None, request="Look at rosa@example.com and TP-1043") == text
    assert shown(text, user="kim", request="Who is late?").count("removed") == 4


def test_secrets_and_cards_are_nobodys_to_read() -> None:
    text = f"Your card is {CARD}, your password: hunter22"
    for policy in PersonalData.REDACTED, PersonalData.ALLOWED:
        assert (
            shown(text, request=text, personal_data=policy)
            == "Your card is [card number removed], your password: [secret removed]"
        )
    assert "4111" not in shown(f"It is {CARD}.", personal_kinds=frozenset())


def test_the_scope_says_what_becomes_of_it() -> None:
    text = "Tom is tom@example.com."
    assert shown(text, personal_data=PersonalData.ALLOWED) == text
    assert shown(text, personal_kinds=frozenset({PersonalKind.PHONE})) == text
    assert "removed" in shown("Call 0171 2345678 or 030 901820.", phone_regions=("DE",))
    said = protect(answered(text, personal_data=PersonalData.REFUSED))
    assert isinstance(said, Verdict)
    assert (said.action, said.rule, said.detail) == (Action.BLOCK, "pii.e-mails", "1 e-mail address")
    changed = protect(answered(text))
    assert isinstance(changed, Changed)
    assert "tom" not in changed.verdict.model_dump_json()


def test_without_evidence_it_refuses() -> None:
    judged = judge_text(replace(answered("tom@example.com"), evidence=None), OUTPUT)
    assert judged.action is Action.BLOCK


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_nothing_shows_while_an_answer_streams(at: int) -> None:
    text = (
        "x" * at
        + " The parcel is on its way. " * 20
        + f"Tom: tom@example.com {CARD} password: hunter22 -----BEGIN PRIVATE KEY-----\n{'abc ' * 300}"
    )
    seen: list[str] = []
    take = Answers(StubAgent(), TASK, {}, OUTPUT).watched(seen.append)
    assert take is not None
    for end in range(1, len(text) + 1, 7):
        take(text[:end])
    assert seen
    assert not any(each in part for part in seen for each in ("tom@", "4111", "hunter", "BEGIN"))
    assert len(text) > HELD_BACK


def test_it_is_quick() -> None:
    sentence = "Your order 1042 of 4 May 2026 for £62.00 was sent on 2026-05-05 with tracking number TS123456789GB. "
    text, using, taken = (sentence * 30)[:2048], detectors(("GB",)), []
    for _ in range(20):
        begin = time.process_time()
        find(text, using)
        taken.append(time.process_time() - begin)
    assert min(taken) < 0.01


@pytest.mark.parametrize(
    ("text", "kind", "start", "end"),
    [
        ("card 4111\u200b1111\u200b1111\u200b1111.", PersonalKind.CARD, 5, 24),
        ("**4111** 1111 1111 **1111** it is", PersonalKind.CARD, 2, 25),
        ("Ask kim@other\u2060.example now", PersonalKind.EMAIL, 4, 22),
        ("Ask kim\uff20other.example now", PersonalKind.EMAIL, 4, 21),
        ("GB82\u200bWEST12345698765432", PersonalKind.IBAN, 0, 23),
        ("sk-\u00adproj-abcdefghijklmnopqrstuvwxyz123456", PersonalKind.SECRET, 0, 41),
    ],
)
def test_what_people_read_over_hides_nothing(text: str, kind: PersonalKind, start: int, end: int) -> None:
    assert [(each.kind, each.start, each.end) for each in find(text, detectors(("GB",)))] == [(kind, start, end)]


@pytest.mark.parametrize("text", ["2 * 3 * 4 = 24", "**Order 1042** and *1043*", "\u200b", "`1042`", "\uff01"])
def test_marks_and_invisible_characters_alone_are_no_data(text: str) -> None:
    assert find(text, detectors(("GB",))) == []
