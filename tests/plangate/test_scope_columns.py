"""The column `Text of others` and the table `Websites` of a scope."""

from __future__ import annotations

import pytest

from plangate.scope import parse_scope
from plangate.scope_others import parse_others

SCOPE = """# Desk

## Purpose

For tests.

## Tools

| Tool | What it does | When | Text of others |
|---|---|---|---|
| mail | Mails | by itself | subject, body; never to |
| look | Looks | by itself | |
| pay | Pays | asks first | {cell} |

## Websites

| Website | What it is read for |
|---|---|
| docs.example.com | manuals |
| {site} | more |
"""


def test_both_are_read() -> None:
    scope, problems = parse_scope(SCOPE.format(cell="nothing", site="*.Example.org:8443"))
    assert problems == []
    assert (scope.tools["mail"].accepts, scope.tools["mail"].never) == (["subject", "body"], ["to"])
    assert (scope.tools["look"].accepts, scope.tools["pay"].accepts) == ([], [])
    assert scope.websites == ["docs.example.com", "*.example.org:8443"]


@pytest.mark.parametrize(
    ("cell", "site", "words"),
    [
        ("the body, please", "x.example", "doesn't name arguments"),
        ("body; never body", "x.example", "may and may never"),
        ("", "https://example.com/", "no domain"),
        ("", "*", "no domain"),
        ("", "127.0.0.1", "no domain"),
        ("", "localhost", "no domain"),
        ("", "x.example:99999", "no domain"),
        ("", "docs.example.com", "stands twice"),
    ],
)
def test_mistakes_have_their_line(cell: str, site: str, words: str) -> None:
    _, (problem,) = parse_scope(SCOPE.format(cell=cell, site=site))
    assert words in problem.problem
    assert problem.line in (13, 20)


@pytest.mark.parametrize(
    ("cell", "accepts", "never"),
    [
        ("subject and body", ["subject", "body"], []),
        ("never in to, cc", [], ["to", "cc"]),
        ("never to. body", ["body"], ["to"]),
        ("–", [], []),
        ("None", [], []),
    ],
)
def test_spellings(cell: str, accepts: list[str], never: list[str]) -> None:
    assert parse_others(cell) == (accepts, never)
