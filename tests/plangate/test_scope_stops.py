"""What a scope says of limits of a run, of who takes over, and of answers that no model writes."""

from __future__ import annotations

import pytest

from plangate.agents import Scope
from plangate.reaching import Reached
from plangate.scope import parse_scope
from plangate.scope_stops import CANNED, NO_MODEL

HEAD = "# A\n## Purpose\nx\n## Tools\n| Tool | What it does | When |\n|---|---|---|\n"
LIMITS = "## Limits\n| Limit | Value | When reached |\n|---|---|---|\n"
STOPS = "## When it stops\n| Stop | Who takes over |\n|---|---|\n"
ANSWERS = "## When we can’t answer\n| When | What we say |\n|---|---|\n"


def read(text: str) -> Scope:
    scope, problems = parse_scope(HEAD + text)
    assert problems == []
    return scope


def mistakes(text: str) -> list[str]:
    return [problem.problem for problem in parse_scope(HEAD + text)[1]]


def test_limits_of_a_run_and_what_happens_then() -> None:
    limits = read(
        LIMITS
        + "| Time for a run | 90 seconds | a person takes over |\n"
        + "| Identical calls | 5 | the run fails |\n"
        + "| Failed steps in a row | 2 steps | it hands over |\n"
        + "| Revisions without progress | 2 revisions | escalated |\n"
        + "| Plan revisions | 4 times | the run ends as failed |\n"
    ).limits
    assert limits.run_seconds == 90
    assert (limits.identical_calls, limits.failures_in_row, limits.stale_revisions, limits.revisions) == (5, 2, 2, 4)
    fields = ("run_seconds", "identical_calls", "failures_in_row", "revisions")
    assert [limits.then(field).value for field in fields] == ["hand over", "fail", "hand over", "fail"]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("| Time for a run | 5 | partial answer |", "the unit is missing; write for example '5 minutes'"),
        ("| Time for a run | 31 days | a partial answer |", "'Time for a run' must be at most 30 days"),
        ("| Time for a run | 5 minutes | the run fails |", "'a partial answer from what is there' or 'a person takes"),
        ("| Plan revisions | 2 | it ends |", "what happens is 'it ends', which can't be read"),
        ("| Identical calls | 1.5 calls | fails |", "is a whole number"),
    ],
)
def test_mistakes_say_what_is_allowed(row: str, says: str) -> None:
    (problem,) = mistakes(LIMITS + row)
    assert says in problem


@pytest.mark.parametrize(
    ("who", "then"),
    [("The desk", Reached.HAND_OVER), ("nobody; it is tried again later", Reached.FAIL), (None, Reached.FAIL)],
)
def test_who_takes_over_when_no_model_answers(who: str | None, then: Reached) -> None:
    row = f"| No model answers | {who} |\n" if who else "| Something else | The desk |\n"
    assert read(STOPS + row).limits.then(NO_MODEL) is then


def test_answers_in_the_owners_words() -> None:
    rows = "".join(f"| {name} | Words for {outcome.value}. |\n" for name, outcome in CANNED.items())
    assert read(ANSWERS + rows).answers == {each.value: f"Words for {each.value}." for each in CANNED.values()}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("| The run fell | Sorry. |", "unknown case 'The run fell'; did you mean 'The run fails'?"),
        ("| The run fails | |", "has no text"),
        ("| The run fails | Sorry. |\n| the run fails. | Oh. |", "stands twice"),
        (f"| The run fails | {'x' * 2001} |", "2,001 characters; at most 2,000"),
    ],
)
def test_mistakes_in_answers(row: str, says: str) -> None:
    (problem,) = mistakes(ANSWERS + row)
    assert says in problem
