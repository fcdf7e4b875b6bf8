"""The section `Guardrails` of a scope file: what an owner may set, and what is said about mistakes."""

from __future__ import annotations

import pytest

from plangate.guardrails import SWITCHES, Claims, GuardrailSettings, Tone, TooLong, Unsupported
from plangate.scope import parse_scope

HEAD = """# Shop

## Purpose

Sells.

## Tools

| Tool | What it does | When |
|---|---|---|

## Guardrails

| Guardrail | Setting | Why |
|---|---|---|
"""


def read(*rows: str) -> tuple[GuardrailSettings, list[tuple[int | None, str]]]:
    scope, problems = parse_scope(HEAD + "\n".join(f"| {row} | because |" for row in rows) + "\n")
    return scope.guardrails, [(each.line, each.problem) for each in problems]


def test_without_the_section_everything_is_on() -> None:
    scope, problems = parse_scope(HEAD.partition("## Guardrails")[0])
    assert (scope.guardrails, problems) == (GuardrailSettings(), [])
    assert scope.guardrails.off == frozenset()


def test_every_row_can_be_set() -> None:
    found, problems = read(
        "Injection screening | 7 points", "Request in bytes | 9,000 bytes", "request in tokens | 500 tokens",
        "A request that is too long | Cut off", "Forecast cost of a run | $0.50",
        "Alert about cost | 1.5 times the usual",
    )  # fmt: skip
    assert problems == []
    assert found == GuardrailSettings(
        injection_points=7, too_long=TooLong.CUT, request_bytes=9000, request_tokens=500, forecast_usd=0.5,
        alert_factor=1.5,
    )  # fmt: skip


def test_every_row_about_answers_can_be_set() -> None:
    found, problems = read(
        "Facts that nothing supports | removed", "Claims of what wasn't done | removed", "Tone | no emojis; we, not I",
        "Never says | as an AI; “dear”", "Promises | gift", "Links in answers | shop.test, b.test",
        "Confidence under | 0.5", "Length of an answer | 2,000 characters",
    )  # fmt: skip
    assert problems == []
    assert found == GuardrailSettings(
        unsupported=Unsupported.REMOVED, claims=Claims.REMOVED, tone=(Tone.NO_EMOJIS, Tone.WE), promises=("gift",),
        never_says=("as an AI", "dear"), link_domains=("shop.test", "b.test"), confidence_under=0.5,
        answer_characters=2000,
    )  # fmt: skip


@pytest.mark.parametrize(
    "row",
    ["Facts that nothing supports | ignored", "Tone | no emojis; nice", "Never says | a;;b", "Links in answers | http://x",
     "Confidence under | 2", "Confidence under | half", "Length of an answer | 10 characters",
     "Claims of what wasn't done | off"],
)  # fmt: skip
def test_a_mistake_in_a_row_about_answers_has_its_line(row: str) -> None:
    found, ((line, problem),) = read(row)
    assert (found, line is not None) == (GuardrailSettings(), True)
    assert row.split(" | ")[0] in problem


def test_alerts_about_cost_can_be_switched_off() -> None:
    found, problems = read("Alert about cost | off")
    assert (found.alert_factor, problems) == (None, [])


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_needs_the_word_off(name: str) -> None:
    found, problems = read(f"{name} | off")
    assert (found.off, problems) == (frozenset({SWITCHES[name]}), [])
    assert read(f"{name} | on") == (GuardrailSettings(), [])
    _, problems = read(f"{name} | no")
    assert problems == [(16, problems[0][1])]
    assert "allowed is" in problems[0][1]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Forecast cost of a run | 0.50 EUR", "an amount in US dollars"),
        ("Forecast cost of a run | -1 USD", "above 0"),
        ("Forecast cost of a run | 12", "US dollars"),
        ("Alert about cost | 1 times", "from 1.1 to 100 times"),
        ("Alert about cost | $2", "2 times the usual"),
        ("Injection screening | 0 points", "1 to 100 points"),
        ("Request in bytes | 9,000 tokens", "for example '64,000 bytes'"),
        ("Injection screning | off", "did you mean 'Injection screening'?"),
        ("Size limits | off", "unknown guardrail 'Size limits'"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(row: str, words: str) -> None:
    _, problems = read("Normalisation | off", row)
    ((line, text),) = problems
    assert line == 17
    assert words in text


def test_a_row_twice() -> None:
    _, problems = read("Normalisation | off", "normalisation | on")
    assert problems == [(17, "the guardrail 'Normalisation' stands twice; first in line 16")]
