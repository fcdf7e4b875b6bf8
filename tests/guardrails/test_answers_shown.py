"""Streamed answers under all output guardrails, tone, and answers with a schema."""

from __future__ import annotations

import dataclasses
import json
from random import Random
from typing import Any

import pytest

from activities import responding
from activities.catalogue.settings import read_settings
from activities.guardrails.answers import Answers
from activities.guardrails.registry import OUTPUT
from activities.guardrails.shaping import shaped
from activities.guardrails.tone import toned
from activities.models import ModelClient
from activities.prompts.responder import responder_instructions
from plangate.agents import AgentSettings, Scope
from plangate.answer_schema import mistakes_of, problem_of
from plangate.guardrails import GuardrailSettings, Tone, Unsupported
from plangate.problems import Problems
from tests.activities.model_fixtures import MemoryStore, StubAgent, StubAgents, environment, settings_for
from tests.fake_model import FakeModel
from tests.guardrails.corpora.answers import samples
from tests.guardrails.corpora.worlds import support
from tests.guardrails.test_output import WORLD, rules, subject

SCHEMA: dict[str, Any] = {
    "type": "object", "required": ["answer"], "additionalProperties": False,
    "properties": {"answer": {"type": "string"}, "refunded": {"type": "number", "minimum": 0}},
}  # fmt: skip


@pytest.mark.parametrize("then", [Unsupported.FLAGGED, Unsupported.REMOVED])
def test_what_a_watcher_has_read_stays_and_is_never_what_is_taken_out(then: Unsupported) -> None:
    """Letters of true and false sentences, put together at random, in pieces of any size."""
    random = Random(5)
    agent = support()
    scope = agent.scope.model_copy(
        update={"guardrails": agent.scope.guardrails.model_copy(update={"unsupported": then})}
    )
    agent = dataclasses.replace(agent, scope=scope)
    all_samples = [sample for sample in samples(21, held_out=False, count=1) if not sample.rule.startswith("claims")]
    world = all_samples[0].world
    lies = [sample.text for sample in all_samples if sample.rule == "grounding.amount" and "\n" not in sample.text]
    shown = 0
    for _ in range(12):
        text = " ".join(sample.text for sample in random.sample(all_samples, 12) if sample.world is world)
        judge = Answers(agent, world.task, world.results, OUTPUT)
        seen: list[str] = []
        take = judge.watched(seen.append)
        assert take is not None
        for end in range(0, len(text), random.randint(5, 90)):
            take(text[:end])
        whole = judge.judge(text).text
        if whole:  # else the end gave reason to refuse all of it
            assert all(whole.startswith(each.rstrip()) for each in seen), (whole, seen)
        shown += len(seen)
        if then is Unsupported.REMOVED:
            assert not any(lie in each for lie in lies for each in seen)
    assert shown > 5


def test_a_false_claim_is_never_seen_in_a_stream() -> None:
    denied = dataclasses.replace(WORLD, refunded=False, memo={})
    seen: list[str] = []
    take = Answers(support(), denied.task, denied.results, OUTPUT).watched(seen.append)
    assert take is not None
    text = (
        "We looked at your order. " * 20 + "We have refunded £62.00 for order 4711. " + "Thank you for waiting. " * 20
    )
    for end in range(0, len(text), 9):
        take(text[:end])
    assert seen
    assert not any("refunded" in each for each in seen)


@pytest.mark.parametrize(
    ("tone", "text", "left", "rule"),
    [
        ((), "Hello. Don't be stupid. Bye.", "Hello. Bye.", "tone.rude"),
        ((Tone.NO_EMOJIS,), "Hello 😀! Bye.", "Hello ! Bye.", "tone.no-emojis"),
        ((Tone.NO_SHOUTING,), "A VERY VERY LARGE pot.", "A very very large pot.", "tone.no-shouting"),
        ((Tone.NO_EXCLAMATION_MARKS,), "Great!! Really?! Yes.", "Great. Really? Yes.", "tone.no-exclamation-marks"),
        ((Tone.WE,), "I have looked.", "I have looked.", "tone.first-person"),
    ],
)  # fmt: skip
def test_each_tone(tone: tuple[Tone, ...], text: str, left: str, rule: str) -> None:
    said = toned(subject(text, tone=tone))
    assert said is not None
    assert (said.text, said.verdict.rule) == (left, rule)


@pytest.mark.parametrize("text", ["The NHS and BBC know.", "You wrote “stupid”.", "We assess the class.", "En retard."])
def test_what_is_no_matter_of_tone(text: str) -> None:
    assert toned(subject(text, tone=(Tone.NO_SHOUTING, Tone.NO_EMOJIS, Tone.WE))) is None


def test_an_answer_has_the_declared_shape_or_is_refused() -> None:
    agent = StubAgent(settings=AgentSettings(answer_schema=SCHEMA), scope=Scope(text="x"))

    def judged(text: str) -> list[str]:
        said = shaped(dataclasses.replace(subject(text), agent=agent))
        return [said.rule, said.detail] if said else []

    assert judged('{"answer": "Done.", "refunded": 62.0}') == []
    assert judged("Done.")[0] == "schema.shape"
    assert judged('{"refunded": -1}')[1] == "the answer: without 'answer'; refunded: minimum should be 0"
    assert "4111" not in str(judged('{"answer": 4111111111111111}'))
    assert rules(shaped(subject("Free text."))) == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "its type has to be 'object'"), ({"type": "obj"}, "no JSON schema at type"),
        ({"type": "object", "$ref": "http://x.test/a"}, "only references within it"),
        ({"type": "object", "description": "x" * 20_000}, "too large"),
    ],
)  # fmt: skip
def test_a_wrong_schema_is_told_with_its_line(schema: dict[str, Any], words: str) -> None:
    assert problem_of(SCHEMA) == ""
    assert words in problem_of(schema)
    problems = Problems()
    read_settings(f"title: x\nanswer_schema: {json.dumps(schema)}\n", "agent.yaml", problems)
    ((line, told),) = [(each.line, each.problem) for each in problems.sorted()]
    assert (line, words in told) == (2, True)
    assert mistakes_of(SCHEMA, '{"answer": "a", "answer": "b"}')


async def test_the_model_is_asked_for_the_shape() -> None:
    agent = StubAgent(settings=AgentSettings(answer_schema=SCHEMA))
    store = MemoryStore()
    async with FakeModel() as model, ModelClient(settings_for(model), store) as client:
        model.script('{"answer": "It is here."}', "It is here.")
        activity = responding.RespondingActivities(StubAgents(agent), client, store)
        task = WORLD.task.model_copy(update={"agent": "shop", "results": {}})
        answer = await environment().run(activity.respond, task)
        refused = await environment().run(activity.respond, task)
        asked = json.dumps(model.requests[0].json)
    assert (answer.text, answer.verdict) == ('{"answer": "It is here."}', None)
    assert (refused.text, refused.verdict.rule) == ("", "schema.shape")
    assert "json_schema" in asked
    assert "one JSON object" in responder_instructions(agent)
    assert GuardrailSettings().tone == ()
