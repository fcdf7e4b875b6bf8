"""Every guardrail is needed: with its line of the registry its example is stopped, without it that passes."""

from __future__ import annotations

import dataclasses

import pytest

from activities.guardrails.contracts import Answered, Asked, Guardrail, Kind
from activities.guardrails.forecasting import Forecasts
from activities.guardrails.judging import Judged, judge_text
from activities.guardrails.registry import ACTION, INPUT, OUTPUT
from activities.models.settings import ModelAccessSettings
from plangate.policy import Action
from plangate.runs import RunRequest
from tests.guardrails.corpora.worlds import support
from tests.guardrails.examples import ANSWERS, CHANGED, EXAMPLES, REFUSED, WORLD


def judged(name: str, guards: tuple[Guardrail[Asked], ...]) -> Judged:
    request = RunRequest(agent="support", **EXAMPLES[name])
    return judge_text(Asked(support(), request.request, request, Forecasts(ModelAccessSettings())), guards)


def test_every_input_guardrail_has_an_example() -> None:
    assert {guard.name for guard in INPUT} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_example_is_stopped_by_it_and_passes_when_its_line_is_removed(name: str) -> None:
    found = judged(name, INPUT)
    assert found.action is (Action.BLOCK if name in REFUSED else Action.CHANGE)
    (verdict,) = found.verdicts
    guard = next(guard for guard in INPUT if guard.name == name)
    assert verdict.guard == name
    assert verdict.rule.startswith(guard.rules)
    assert verdict.reason
    without = judged(name, tuple(each for each in INPUT if each is not guard))
    assert without.verdicts == ()
    assert without.text == EXAMPLES[name]["request"]


SCHEMA = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}}


def answered(name: str, guards: tuple[Guardrail[Answered], ...]) -> Judged:
    subject = WORLD.answered(ANSWERS[name])
    if name == "output.schema":  # the example agent declares none
        settings = subject.agent.settings.model_copy(update={"answer_schema": SCHEMA})
        subject = dataclasses.replace(subject, agent=dataclasses.replace(support(), settings=settings))
    return judge_text(subject, guards)


def test_every_output_guardrail_has_an_example() -> None:
    assert [guard.name for guard in OUTPUT] == list(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_its_answer_is_stopped_by_it_and_passes_when_its_line_is_removed(name: str) -> None:
    found = answered(name, OUTPUT)
    assert [verdict.guard for verdict in found.verdicts] == [name]
    guard = next(guard for guard in OUTPUT if guard.name == name)
    assert found.verdicts[0].rule.startswith(guard.rules)
    assert found.verdicts[0].reason
    without = answered(name, tuple(each for each in OUTPUT if each is not guard))
    assert without.verdicts == ()
    assert without.text == ANSWERS[name]


def test_what_is_refused_and_what_is_changed_is_told_apart() -> None:
    assert not set(REFUSED) & set(CHANGED)


@pytest.mark.parametrize("kind", Kind)
def test_names_say_when_a_guardrail_is_asked_and_are_there_once(kind: Kind) -> None:
    guards = {Kind.INPUT: INPUT, Kind.ACTION: ACTION, Kind.OUTPUT: OUTPUT}[kind]
    assert all(guard.kind is kind and guard.rules and guard.about for guard in guards)  # type: ignore[attr-defined]
    assert len({guard.name for guard in guards}) == len(guards)  # type: ignore[attr-defined]
