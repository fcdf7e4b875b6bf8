"""Output guardrails around the answering model: what is blocked isn't shown, nothing is shown before it has passed."""

from __future__ import annotations

import pytest

from activities import responding
from activities.guardrails.answers import HELD_BACK, Answers
from activities.guardrails.contracts import Answered, Changed, Guardrail, Said
from activities.guardrails.evidence import Evidence
from plangate.policy import Action, Verdict
from plangate.provenance import Trust
from plangate.run_status import StepReport
from plangate.runs import Outcome, StepStatus
from plangate.tasks import RespondTask
from tests.activities.model_fixtures import MemoryStore, StubAgent, StubAgents, environment, settings_for
from tests.fake_model import FakeModel

TASK = RespondTask(
    run="run-1", agent="shop", request="Where is order 7?", outcome=Outcome.COMPLETED, input={"order": "7"},
    steps=[StepReport(id="order", title="", tool="find_order", status=StepStatus.DONE)],
    results={"order": ["k"]}, answers={"ask": {"said": ["by phone", 4, None]}},
)  # fmt: skip
LONG = "The teapot is on its way to you. " * 30


def no_parrots(answered: Answered) -> Said:
    if "parrot" not in answered.text:
        return None
    verdict = Verdict(action=Action.CHANGE, rule="parrots.any", reason="No parrots.")
    return Changed(answered.text.replace("parrot", "[bird]"), verdict, ("a bird",))


def no_cats(answered: Answered) -> Said:
    return Verdict(action=Action.BLOCK, rule="cats.any", reason="No cats.") if "cat" in answered.text else None


def breaks(answered: Answered) -> Said:
    raise ZeroDivisionError("4111111111111111")


PARROTS = Guardrail("output.parrots", no_parrots, ("parrots.",), "No parrots.", beginnings=True)
CATS = Guardrail("output.cats", no_cats, ("cats.",), "No cats.", beginnings=True)
BROKEN = Guardrail("output.broken", breaks, (), "Breaks.")


def answers(*guards: Guardrail[Answered]) -> Answers:
    return Answers(StubAgent(), TASK, {"order": {"number": "7"}}, guards)


def test_an_answer_is_changed_or_refused_and_a_check_that_fails_refuses() -> None:
    changed = answers(PARROTS, CATS).judge("A parrot.")
    assert (changed.text, changed.verdict, changed.doubts) == ("A [bird].", None, ["a bird"])
    assert [verdict.guard for verdict in changed.verdicts] == ["output.parrots"]
    refused = answers(PARROTS, CATS).judge("A parrot and a cat.")
    assert refused.text == ""
    assert refused.verdict is not None
    assert refused.verdict.rule == "cats.any"
    assert len(refused.verdicts) == 2
    failed = answers(BROKEN).judge("Hello")
    assert failed.text == ""
    assert failed.verdict is not None
    assert "not shown" in failed.verdict.reason
    assert "4111" not in failed.model_dump_json()


def test_without_evidence_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Evidence, "of", breaks)
    judge = answers(PARROTS)
    answer = judge.judge("Hello")
    assert (answer.text, answer.verdict and answer.verdict.rule) == ("", "output.evidence.failed")
    assert judge.watched(print) is None


def stream(judge: Answers, text: str, piece: int = 7) -> list[str]:
    seen: list[str] = []
    take = judge.watched(seen.append)
    assert take is not None
    for end in range(piece, len(text) + piece, piece):
        take(text[:end])
    return seen


def test_a_watcher_sees_what_has_passed_and_it_stays() -> None:
    text = f"{LONG}A parrot. {LONG}"
    seen = stream(answers(PARROTS), text)
    whole = answers(PARROTS).judge(text).text
    assert len(seen) > 3
    assert all(whole.startswith(each) for each in seen)
    assert "[bird]" in seen[-1]
    assert len(whole) - len(seen[-1]) >= HELD_BACK
    assert stream(answers(), "ab", 1) == ["a", "ab"], "without guardrails nothing is held back"


def test_a_watcher_sees_nothing_of_what_is_refused_or_can_only_be_judged_whole() -> None:
    assert not any("cat" in each for each in stream(answers(CATS), f"{LONG}A cat. {LONG}"))
    assert answers(PARROTS, BROKEN).watched(print) is None


def test_evidence_is_whole_and_says_whose_words_it_is() -> None:
    results = {"order": {"number": "7", "notes": ["left", {"at": 3}]}, **TASK.answers}
    evidence = Evidence.of(StubAgent(), TASK, results)
    assert evidence.leaves == [("order", "7"), ("order", "left"), ("order", 3), ("ask", "by phone"), ("ask", 4)]
    assert (evidence.trust["ask"], evidence.trust["order"]) == (Trust.TRUSTED, Trust.UNTRUSTED)
    assert (evidence.request, evidence.input, evidence.tools) == (TASK.request, {"order": "7"}, {"order": "find_order"})
    assert evidence.passages == []
    read = Evidence(request="", results={"p": [{"text": "We ship."}]}, trust={"p": Trust.DOCUMENT})
    assert read.passages == [("p", "We ship.")]


async def test_respond_asks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from activities.models import ModelClient

    monkeypatch.setattr(responding, "OUTPUT", (CATS,))
    store = MemoryStore(results={"k": {"number": "7"}})
    async with FakeModel() as model, ModelClient(settings_for(model), store) as client:
        model.script("It is with the cat.")
        activity = responding.RespondingActivities(StubAgents(), client, store)
        answer = await environment().run(activity.respond, TASK)
    assert (answer.text, answer.usage.calls) == ("", 1)
    assert answer.verdict.rule == "cats.any"
