"""Presidio beside our own detectors: what it finds is held to the same rules, and it fails closed, offline.

The real presidio-analyzer, over spaCy pipelines that are made here.
"""

from __future__ import annotations

import logging
import socket
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, NoReturn

import pytest
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from activities.guardrails.answers import Answers
from activities.guardrails.contracts import Answered
from activities.guardrails.evidence import Evidence
from activities.guardrails.judging import Judged, judge_text
from activities.guardrails.presidio import pipelines
from activities.guardrails.presidio.analysing import AT_ONCE, Analyser, Sought, analyser
from activities.guardrails.presidio.pipelines import Unusable, pipeline
from activities.guardrails.registry import OUTPUT
from plangate.agents import AgentSettings, PresidioSettings, Scope
from plangate.guardrails import GuardrailSettings, PersonalData
from plangate.policy import Action
from plangate.provenance import Trust
from plangate.runs import Outcome
from plangate.tasks import RespondTask
from tests.activities.model_fixtures import StubAgent
from tests.presidio_models import FIRST, LAST, like_a_small_one, ruled, trained

PLATE = "AB51 ABC"
OWN = {
    "order_id": "1042", "customer_email": "rosa@example.com", "first_name": "Rosa", "last_name": "Martinez",
    "registration": PLATE.replace(" ", ""), "note": "Left with Kim Larsen next door.",
}  # fmt: skip
OTHER = {"order_id": "1043", "customer_email": "tom@example.com", "name": "Tom Baker"}
TASK = RespondTask(run="r", agent="shop", request="", outcome=Outcome.COMPLETED)
ANY = ("PERSON", "LOCATION", "UK_VEHICLE_REGISTRATION")


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> str:
    people = [f"{first} {last}" for first, last in zip(FIRST, LAST, strict=True)] + ["Jean Dupont", "tom@example.com"]
    return str(
        ruled(
            tmp_path_factory.mktemp("models") / "en",
            PERSON=people,
            GPE=["Bath", "14 Mill Lane, Bath, Avon, near Wells"],
        )
    )


def agent(model: str, *entities: str, **settings: Any) -> StubAgent:
    guardrails = GuardrailSettings(presidio_entities=entities, **settings)
    scope = Scope(text="Ask Ada Okafor, who runs the shop.", guardrails=guardrails)
    return StubAgent(scope=scope, settings=AgentSettings(presidio=PresidioSettings(models={"en": model})))


def judged(text: str, of: StubAgent, *, user: str | None = "rosa@example.com", request: str = "Where is it?") -> Judged:
    results = {"all": [OWN, OTHER], "page": [{"text": "Complaints go to Ines Novak, whose registration is BD51 SMR."}]}
    trust = {"all": Trust.TRUSTED, "page": Trust.DOCUMENT}
    evidence = Evidence(request, user, results=results, trust=trust)
    return judge_text(Answered(of, text, TASK, {}, evidence), OUTPUT[:1])


def test_another_persons_name_is_taken_out_and_the_verdict_has_only_kinds_and_counts(english: str) -> None:
    text = "The other order went to Tom Baker in Bath, and Tom Baker has it."
    found = judged(text, agent(english, *ANY))
    assert found.text == "The other order went to [name removed] in [place removed], and [name removed] has it."
    (verdict,) = found.verdicts
    assert (verdict.guard, verdict.rule, verdict.action) == ("output.personal", "pii.presidio.location", Action.CHANGE)
    assert verdict.detail == "1 place, 2 names"
    assert verdict.reason
    assert not any(word in verdict.model_dump_json().casefold() for word in ("tom", "baker", "bath"))


def test_a_name_does_not_hide_behind_what_people_read_over(english: str) -> None:
    found = judged("It is with *Tom* **Ba\u200bker** now.", agent(english, "PERSON"))
    assert found.text == "It is with *[name removed]** now."


def test_without_its_row_or_the_registrys_line_the_name_is_told(english: str) -> None:
    text = "It went to Tom Baker."
    assert judged(text, agent(english, "PERSON")).verdicts[0].rule == "pii.presidio.person"
    assert judged(text, agent(english)).text == text
    assert judged(text, agent(english, "LOCATION")).text == text
    evidence = Evidence("", "rosa@example.com")
    assert judge_text(Answered(agent(english, "PERSON"), text, TASK, {}, evidence), ()).text == text


@pytest.mark.parametrize(
    "text",
    [
        "It is yours, Rosa Martinez.",  # two fields of one record of theirs
        "Kim Larsen next door has it.",  # in their own record, as it stands there
        f"Your vehicle registration is {PLATE}.",  # in another spelling
        "Write to Ada Okafor or Ines Novak.",  # the owner's page, and a document
    ],
)
def test_what_is_ones_own_or_everybodys_stays(english: str, text: str) -> None:
    assert judged(text, agent(english, *ANY)).verdicts == ()
    if "Ada" not in text:
        assert "removed" in judged(text, agent(english, *ANY), user="paul@example.com").text


def test_what_they_wrote_themselves_and_what_the_desk_asks_about_stays(english: str) -> None:
    text = "Tom Baker has it."
    assert judged(text, agent(english, "PERSON"), request="Is it with tom baker’s people?").text == text
    assert judged(text, agent(english, "PERSON"), user="kim", request="Whose is order 1043?").text == text
    assert "removed" in judged(text, agent(english, "PERSON"), user="kim", request="Whose is order 1042?").text


def test_words_of_two_records_make_no_name(english: str) -> None:
    assert "removed" in judged("It is Jean Dupont.", agent(english, "PERSON"), request="Jean said: Ask Dupont.").text


def test_a_number_in_a_document_is_nobodys_to_read(english: str) -> None:
    found = judged("Her vehicle registration is BD51 SMR.", agent(english, "UK_VEHICLE_REGISTRATION"))
    assert found.text == "Her vehicle registration is [UK VEHICLE REGISTRATION removed]."
    assert found.verdicts[0].rule == "pii.presidio.uk_vehicle_registration"


def test_the_scopes_policy_holds_for_it(english: str) -> None:
    refused = judged("It is Tom Baker.", agent(english, "PERSON", personal_data=PersonalData.REFUSED))
    assert (refused.action, refused.verdicts[0].rule) == (Action.BLOCK, "pii.presidio.person")
    assert judged("It is Tom Baker.", agent(english, "PERSON", personal_data=PersonalData.ALLOWED)).verdicts == ()


def test_our_own_detectors_come_first_and_nothing_is_left_over(english: str) -> None:
    of = agent(english, *ANY)
    found = judged("Ask tom@example.com in 14 Mill Lane, Bath, Avon, near Wells today.", of)
    assert found.text == "Ask [e-mail address removed] in [postal address removed], [place removed] today."
    assert found.verdicts[0].rule == "pii.e-mails"
    assert judged("Ask tom@example.com.", of, user="tom@example.com").verdicts == ()


def test_a_number_that_a_model_takes_in_part_for_a_name_is_one_number(tmp_path: Path) -> None:
    of = agent(str(ruled(tmp_path / "en", PERSON=["W123"])), *ANY)
    found = judged("The vehicle registration is W123 ABC.", of, user="paul@example.com")
    assert found.text == "The vehicle registration is [UK VEHICLE REGISTRATION removed]."


def test_how_sure_it_has_to_be(english: str) -> None:
    text = "The code is AB51 ABC, and the other one W123 ABC."
    for score, kept in (0.1, False), (0.5, True):
        settings = AgentSettings(presidio=PresidioSettings(models={"en": english}, score=score))
        of = replace(agent(english, "UK_VEHICLE_REGISTRATION"), settings=settings)
        assert ("W123" in judged(text, of, user="paul@example.com").text) is kept


def test_a_network_finds_names_that_it_never_saw(tmp_path: Path) -> None:
    model = str(like_a_small_one(tmp_path / "small", trained(tmp_path / "names")))
    of = agent(model, "PERSON")
    found = judged("The parcel was signed for by Greta Lindqvist. It arrives on Friday.", of)
    assert found.text == "The parcel was signed for by [name removed]. It arrives on Friday."
    assert "NNP" in pipeline(model).pipe_labels["tagger"]  # a word of grammar is nothing to look for
    assert {"PERSON", "NNP"} & Analyser(Sought((("en", model),), ("PERSON",), 0.5)).finds["en"] == {"PERSON"}


def test_each_language_has_its_model(tmp_path: Path, english: str) -> None:
    german = str(ruled(tmp_path / "de", language="de", PER=["Erika Musterfrau"]))
    of = Analyser(Sought((("en", english), ("de", german)), ("PERSON", "DE_TAX_ID"), 0.5))
    text = "Frau Erika Musterfrau, nicht Tom Baker, hat die Steuer-ID 86095742719."
    assert [(each.kind, text[each.start : each.end]) for each in of.find(text)] == [
        ("PERSON", "Erika Musterfrau"), ("PERSON", "Tom Baker"), ("DE_TAX_ID", "86095742719"),
    ]  # fmt: skip


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_nothing_shows_while_an_answer_streams(english: str, at: int) -> None:
    text = "x" * at + " The parcel is on its way." * 12 + " It went to Tom Baker of Bath." + " All is well." * 40
    seen: list[str] = []
    answers = Answers(agent(english, *ANY), TASK, {}, OUTPUT)
    take = answers.watched(seen.append)
    assert take is not None
    for end in range(1, len(text) + 1, 7):
        take(text[:end])
    assert seen
    assert not any("Tom" in part or "Baker" in part or "Bath" in part for part in seen)
    assert any("[name removed]" in part for part in seen)
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert answers.judge(text).text.startswith(seen[-1])


async def test_a_whole_answer_is_read_beside_the_event_loop(english: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    monkeypatch.setattr(Answers, "judge", lambda *_: threads.append(current_thread() is main_thread()))
    for entities in (), ("PERSON",):
        await Answers(agent(english, *entities), TASK, {}, OUTPUT).judge_aside("It is Tom.")
    assert threads == [True, False]


def test_each_sentence_is_read_once(english: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of, read = Analyser(Sought((("en", english),), ANY, 0.5)), list[str]()
    real = of._read

    def noted(texts: list[str]) -> Any:
        read.extend(texts)
        return real(texts)

    monkeypatch.setattr(of, "_read", noted)
    text, known = "Tom Baker has it. It is his. Rosa Martinez knows. ", dict[str, Any]()
    for _ in range(3):
        assert len(of.find(text, known)) == 2
    assert read == ["Tom Baker has it. ", "Tom Baker has it. It is his. ", "It is his. Rosa Martinez knows. "]
    sizes = list[int]()
    monkeypatch.setattr(of, "_read", lambda texts: sizes.append(len(texts)) or real(texts))
    of.find("".join(f"It is number {number}. " for number in range(40)))
    assert (sum(sizes), max(sizes)) == (40, AT_ONCE)


def break_engine(monkeypatch: pytest.MonkeyPatch, of: StubAgent, raising: Any) -> None:
    sought = Sought.by(of.scope, of.settings)
    assert sought is not None
    monkeypatch.setattr(analyser(sought)._engine, "analyze", raising)


def test_when_presidio_raises_the_answer_is_refused_without_a_word_of_it(
    english: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(text: str, *_: Any, **__: Any) -> NoReturn:
        raise ValueError(f"Did not find word {text!r}")

    of = agent(english, "PERSON")
    break_engine(monkeypatch, of, raising)
    with capture_logs() as logged:
        found = judged("It went to Tom Baker.", of)
    assert (found.action, found.verdicts[0].rule) == (Action.BLOCK, "output.personal.failed")
    said = str(format_exc_info(None, "", logged[0]))  # as a worker writes it
    assert "PresidioFailed" in said
    assert "ValueError" in said
    assert "Baker" not in said + found.verdicts[0].model_dump_json()


def test_a_pattern_that_presidio_gives_up_is_no_answer(
    english: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from presidio_analyzer import pattern_recognizer

    analyser(Sought((("en", english),), ANY, 0.5))
    assert pattern_recognizer.REGEX_TIMEOUT_SECONDS == pipelines.REGEX_SECONDS
    monkeypatch.setattr(pattern_recognizer, "REGEX_TIMEOUT_SECONDS", 1e-9)
    text = "AB5 " * 3000
    assert (
        judged(text, agent(english, "UK_VEHICLE_REGISTRATION"), user=None).verdicts[0].rule == "output.personal.failed"
    )
    assert "AB5" not in caplog.text


def test_presidio_logs_no_words(english: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        judged("Her vehicle registration is BD51 SMR, says Tom Baker.", agent(english, *ANY))
    assert "vehicle" not in caplog.text
    assert "Baker" not in caplog.text
    log = logging.getLogger("presidio-analyzer")
    assert (log.propagate, log.level) == (False, logging.WARNING)


def test_nothing_is_ever_downloaded(english: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import spacy.cli

    def no_network(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(spacy.cli, "download", no_network)
    with pytest.raises(Unusable, match="'en_core_web_lg' isn't installed, and none is downloaded"):
        pipeline("en_core_web_lg")
    every = {entity for each in pipelines.recognisers(["en"]) for entity in each.supported_entities}
    of = Analyser(Sought((("en", english),), tuple(sorted(every)), 0.1))
    assert of._engine.nlp_engine.nlp == {"en": pipeline(english)}
    text = "Mail tom@example.com, http://example.com/x, phone 07400 123456, 4111 1111 1111 1111, 219-09-9999."
    assert {each.kind for each in of.find(text)} >= {"URL", "US_SSN"}


def test_what_spacy_learns_of_the_words_is_forgotten(english: str) -> None:
    of = Analyser(Sought((("en", english),), ANY, 0.5))
    strings = pipeline(english).vocab.strings
    of.find("Zyxwvut lives here.")
    before = len(strings)
    for number in range(20):
        of.find(f"Qwertzuiop{number} lives here, says Tom Baker.")
    assert len(strings) == before
    assert "Zyxwvut" not in strings
