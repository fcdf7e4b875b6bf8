"""Scope files: what is read, and every mistake with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plangate.agents import Limits
from plangate.policy import Action
from plangate.reaching import Reached
from plangate.scope import parse_scope
from plangate.scope_limits import LIMITS, SECONDS

SCOPE = """\
# Support desk

A line before the sections.

## Purpose

Helps customers
of the shop.

## What it accepts

- Questions about *orders*.

## What it may answer

Only facts.

## Tools

Read ones:

| Tool | What it does | When |
|---|:---:|---|
| `find_order` | Finds an order \\| shipment | **by itself** |

### Money

| Tool | What it does | When |
|---|---|---|
| refund_payment | Pays money back | by itself when `amount` is under 25, otherwise asks first |
| delete_order | Removes it | never |

## Limits

| Limit | Value | When reached |
|---|---|---|
| Length of a request | 4,001 characters | refused |
| Steps in a plan | 12 steps | refused |
| Tool calls in a run | 1,100 | ends |
| Plan revisions | 0 revisions | the run ends as failed |
| steps at the same time | 3 | waits |
| Items in a list step | 1 item | fails |
| Time to decide | 1.5 hours | rejected |

## When it stops

| Stop | Who takes over |
|---|---|
| No decision | The desk |

## History

Anything.
"""


def test_a_scope_is_read() -> None:
    scope, problems = parse_scope(SCOPE)
    assert problems == []
    assert scope.title == "Support desk"
    assert scope.text == SCOPE
    assert scope.sections["purpose"] == "Helps customers\nof the shop."
    assert scope.sections["what it accepts"] == "- Questions about *orders*."
    assert scope.sections["history"] == "Anything."
    assert [(tool.name, tool.does, tool.rule.short, tool.line) for tool in scope.tools.values()] == [
        ("find_order", "Finds an order | shipment", "allow", 24),
        ("refund_payment", "Pays money back", "when", 30),
        ("delete_order", "Removes it", "never", 31),
    ]
    assert scope.limits == Limits(
        request_characters=4001,
        plan_steps=12,
        tool_calls=1100,
        revisions=0,
        parallel=3,
        items=1,
        decision_seconds=5400,
        failures_in_row=3,
        identical_calls=3,
        stale_revisions=1,
    )


def test_limits_that_are_not_there_have_their_defaults() -> None:
    scope, problems = parse_scope("# A\n## Purpose\nx\n## Tools\n| Tool | What it does | When |\n|---|---|---|\n")
    assert problems == []
    assert scope.limits == Limits(
        failures_in_row=3, identical_calls=3, stale_revisions=1, reached={"revisions": Reached.HAND_OVER}
    )
    assert scope.tools == {}


MISTAKES = [
    ("# Support desk\n", "", 1, "the title is missing: begin with a line like '# Support desk'"),
    ("# Support desk", "#", 1, "the title is empty"),
    ("### Money", "# Money", 26, "a second title 'Money'"),
    ("## Purpose", "## Porpose", 5, "unknown section 'Porpose'; did you mean 'Purpose'?"),
    (
        "## What it accepts",
        "## What it accept",
        10,
        "unknown section 'What it accept'; did you mean 'What it accepts'?",
    ),
    (
        "## Purpose\n\nHelps customers\nof the shop.\n",
        "",
        None,
        "the section '## Purpose' is missing; the sections are",
    ),
    ("Helps customers\nof the shop.", "", 5, "the section 'Purpose' is empty"),
    ("## History", "## Limits", 51, "the section 'Limits' stands twice"),
    (
        "| Stop | Who takes over |\n|---|---|\n| No decision | The desk |",
        "Never.",
        45,
        "needs a table with the columns",
    ),
    (
        "| Stop | Who takes over |",
        "| Stop | Who takes ovr |",
        47,
        "no column 'Who takes over' (is 'Who takes ovr' meant",
    ),
    ("| Limit | Value |", "| Limit | Amount |", 35, "no column 'Value'; it needs 'Limit', 'Value', 'When reached'"),
    ("by itself when `amount`", "sometimes when `amount`", 30, "the rule of 'refund_payment': 'sometimes when amount"),
    ("is under 25,", "is under 2,50,", 30, "compares with '2,50', which isn't a number"),
    ("| never |", "| |", 31, "the rule of 'delete_order': '' is not a rule: a rule is 'by itself'"),
    ("| delete_order |", "| find_order |", 31, "the tool 'find_order' stands twice; its first rule is in line 24"),
    ("| delete_order |", "| |", 31, "a line of the table of tools without a tool's name"),
    ("| Steps in a plan |", "| Step in a pln |", 38, "unknown limit 'Step in a pln'; did you mean 'Steps in a plan'?"),
    ("| Steps in a plan |", "| Weather |", 38, "unknown limit 'Weather'. The limits are 'Length of a request'"),
    ("| Items in a list step |", "| Plan revisions |", 42, "the limit 'Plan revisions' stands twice; first in line 40"),
    ("4,001 characters", "4,001 words", 37, "'Length of a request' is counted in characters, not in 'words'"),
    (
        "4,001 characters",
        "4,001",
        37,
        "is counted in characters; the unit is missing; write for example '4,000 characters'",
    ),
    ("12 steps", "twelve", 38, "'Steps in a plan' is 'twelve', which isn't a number; write for example '25 steps'"),
    ("12 steps", "-1 steps", 38, "'Steps in a plan' is '-1 steps', which isn't a number"),
    ("12 steps", "1.5 steps", 38, "'Steps in a plan' is a whole number, not 1.5"),
    ("12 steps", "0 steps", 38, "'Steps in a plan' must be at least 1"),
    ("12 steps", "1,001 steps", 38, "'Steps in a plan' must be at most 1,000"),
    ("| 1,100 |", "| 11,00 |", 39, "'Tool calls in a run'"),
    ("0 revisions", "21 revisions", 40, "'Plan revisions' must be at most 20"),
    ("1.5 hours", "1.5", 43, "is counted in seconds or minutes or hours or days or weeks; the unit is missing"),
    ("1.5 hours", "2 months", 43, "not in 'months'; write for example '24 hours'"),
    ("1.5 hours", "0 hours", 43, "'Time to decide' must be more than 0"),
    ("1.5 hours", "366 days", 43, "'Time to decide' must be at most 365 days"),
]


@pytest.mark.parametrize(("old", "new", "line", "problem"), MISTAKES)
def test_a_mistake_has_its_line(old: str, new: str, line: int | None, problem: str) -> None:
    assert old in SCOPE
    index = SCOPE.rindex(old) if old == "## History" else SCOPE.index(old)
    _, problems = parse_scope(SCOPE[:index] + new + SCOPE[index + len(old) :], "policy.md")
    assert [(found.file, found.line) for found in problems] == [("policy.md", line)]
    assert problem in problems[0].problem


def test_every_mistake_is_reported_in_the_order_of_the_lines() -> None:
    text = SCOPE.replace("**by itself**", "often").replace("12 steps", "12 stops").replace("1.5 hours", "soon")
    assert [problem.line for problem in parse_scope(text)[1]] == [24, 38, 43]


def test_a_rule_that_cannot_be_read_never_allows() -> None:
    scope, problems = parse_scope(SCOPE.replace("**by itself**", "by itselff"))
    assert len(problems) == 1
    assert scope.tools["find_order"].rule.verdict("find_order", {}).action is Action.BLOCK


def test_headings_inside_code_and_quotes_are_no_sections() -> None:
    text = SCOPE.replace("Anything.", "```\n## Purpose\n# Title\n```\n\n> ## Limits\n")
    assert parse_scope(text)[1] == []


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    parse_scope(text)


@given(
    lines=st.lists(
        st.sampled_from([*SCOPE.splitlines(), "| a |", "|---|", "## Tools", "# x", "", "| | | |", "## Limits"]),
        max_size=40,
    )
)
def test_any_order_of_lines_is_read_and_every_mistake_points_into_the_file(lines: list[str]) -> None:
    _, problems = parse_scope("\n".join(lines))
    assert all(problem.line is None or 1 <= problem.line <= max(len(lines), 1) for problem in problems)


@given(number=st.integers(0, 10**7), unit=st.sampled_from(list(SECONDS)), plural=st.booleans(), commas=st.booleans())
def test_a_time_is_its_number_times_its_unit_or_out_of_bounds(
    number: int, unit: str, plural: bool, commas: bool
) -> None:
    value = f"{number:,} {unit}{'s' * plural}" if commas else f"{number} {unit}{'s' * plural}"
    scope, problems = parse_scope(SCOPE.replace("1.5 hours", value))
    seconds = number * SECONDS[unit]
    if 0 < seconds <= 365 * 86400:
        assert problems == []
        assert scope.limits.decision_seconds == seconds
    else:
        assert [problem.line for problem in problems] == [43]


def test_every_limit_can_be_written() -> None:
    assert {kind.field for kind in LIMITS.values()} == set(Limits.model_fields) - {"reached"}
