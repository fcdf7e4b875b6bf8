"""Every input guardrail is needed: with its line of the registry its example is stopped, without it that passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.catalogue import LoadedAgent, load_agent
from activities.guardrails.contracts import Asked, Guardrail, Kind
from activities.guardrails.forecasting import Forecasts
from activities.guardrails.judging import Judged, judge_text
from activities.guardrails.registry import ACTION, INPUT, OUTPUT
from activities.models.settings import ModelAccessSettings
from plangate.policy import Action
from plangate.runs import RunRequest
from tests.guardrails.examples import CHANGED, EXAMPLES, REFUSED


@pytest.fixture(scope="module")
def support() -> LoadedAgent:
    return load_agent(Path(__file__).parents[2] / "agents" / "support")


def judged(agent: LoadedAgent, name: str, guards: tuple[Guardrail[Asked], ...]) -> Judged:
    request = RunRequest(agent=agent.name, **EXAMPLES[name])
    return judge_text(Asked(agent, request.request, request, Forecasts(ModelAccessSettings())), guards)


def test_every_input_guardrail_has_an_example() -> None:
    assert [guard.name for guard in INPUT] == sorted(EXAMPLES, key=[guard.name for guard in INPUT].index)


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_example_is_stopped_by_it_and_passes_when_its_line_is_removed(support: LoadedAgent, name: str) -> None:
    found = judged(support, name, INPUT)
    assert found.action is (Action.BLOCK if name in REFUSED else Action.CHANGE)
    (verdict,) = found.verdicts
    guard = next(guard for guard in INPUT if guard.name == name)
    assert verdict.guard == name
    assert verdict.rule.startswith(guard.rules)
    assert verdict.reason
    without = judged(support, name, tuple(each for each in INPUT if each is not guard))
    assert without.verdicts == ()
    assert without.text == EXAMPLES[name]["request"]


def test_what_is_refused_and_what_is_changed_is_told_apart() -> None:
    assert not set(REFUSED) & set(CHANGED)


@pytest.mark.parametrize("kind", Kind)
def test_names_say_when_a_guardrail_is_asked_and_are_there_once(kind: Kind) -> None:
    guards = {Kind.INPUT: INPUT, Kind.ACTION: ACTION, Kind.OUTPUT: OUTPUT}[kind]
    assert all(guard.kind is kind and guard.rules and guard.about for guard in guards)  # type: ignore[attr-defined]
    assert len({guard.name for guard in guards}) == len(guards)  # type: ignore[attr-defined]
