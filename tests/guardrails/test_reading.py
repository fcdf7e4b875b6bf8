"""Every bound of a request's size, and of what it may cost, refuses by a rule of its own; or cuts off."""

from __future__ import annotations

from typing import Any

import pytest

from activities.guardrails.affording import affordable
from activities.guardrails.contracts import Asked, Changed
from activities.guardrails.forecasting import Forecasts
from activities.guardrails.reading import within_size
from activities.models.settings import ModelAccessSettings, ModelPrice
from plangate.agents import Limits
from plangate.guardrails import GuardrailSettings, TooLong
from plangate.policy import Verdict
from plangate.runs import RunRequest
from tests.activities.model_fixtures import SCOPE, StubAgent


def asked(text: str, *, characters: int = 100_000, **bounds: Any) -> Asked:
    update = {"guardrails": GuardrailSettings(**bounds), "limits": Limits(request_characters=characters)}
    prices = {"m": ModelPrice(input=10.0, output=10.0)}
    models = ModelAccessSettings(plan_model="m", answer_model="m", prices=prices, prompt_tokens=5_000)
    return Asked(StubAgent(scope=SCOPE.model_copy(update=update)), text, RunRequest(request=text), Forecasts(models))


@pytest.mark.parametrize(
    ("subject", "rule", "words"),
    [
        (asked("x" * 11, characters=10), "size.characters", "11 characters; at most 10"),
        (asked("東" * 10, request_bytes=29), "size.bytes", "30 bytes; at most 29"),
        (asked("one two three four", request_tokens=3), "size.tokens", "at most that many"),
    ],
)
def test_each_bound_refuses_with_what_was_too_much(subject: Asked, rule: str, words: str) -> None:
    said = within_size(subject)
    assert isinstance(said, Verdict)
    assert (said.rule, words in said.detail) == (rule, True)


@pytest.mark.parametrize("bounds", [{"characters": 40}, {"request_bytes": 40}, {"request_tokens": 16}])
def test_what_is_too_long_is_cut_off_where_the_scope_says_so(bounds: dict[str, int]) -> None:
    said = within_size(asked("Where is my order 1042? " * 10, too_long=TooLong.CUT, **bounds))
    assert isinstance(said, Changed)
    assert said.text.startswith("Where is my order 1042?")
    assert within_size(asked(said.text, **bounds)) is None


@pytest.mark.parametrize("text", ["東" * 10, "👨‍👩‍👧‍👦" * 3])
def test_no_character_is_cut_in_half(text: str) -> None:
    said = within_size(asked(text, too_long=TooLong.CUT, request_bytes=14))
    assert isinstance(said, Changed)
    assert len(said.text.encode()) <= 14


def test_what_cannot_fit_or_costs_too_much_is_not_begun() -> None:
    long = affordable(asked("word " * 20_000))
    dear = affordable(asked("word", forecast_usd=0.001))
    assert (long and long.rule, dear and dear.rule) == ("forecast.tokens", "forecast.cost")
    assert dear is not None
    assert "at most $0.0010" in dear.detail
    assert affordable(asked("word", forecast_usd=1.0)) is None
