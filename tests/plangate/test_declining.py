"""The table `What it declines` of a scope file: phrases, and what is said about mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plangate.agents import Scope
from plangate.declining import ANY, list_items, stem, words_of
from plangate.scope import parse_scope

HEAD = """# Shop
## Purpose
Sells teapots.
## What it accepts
- Questions about an order
  that is late.
- Refunds.

Not tax.
## Tools
| Tool | What it does | When |
|---|---|---|
## What it declines
| Asked for | Recognised by | What we say |
|---|---|---|
"""


def read(*rows: str) -> tuple[Scope, list[tuple[int | None, str]]]:
    scope, problems = parse_scope(HEAD + "\n".join(rows) + "\n")
    return scope, [(each.line, each.problem) for each in problems]


def test_a_line_has_phrases_and_what_is_said() -> None:
    scope, problems = read("| Advice | tax advice, write ... Poems, *recipe\\**, sb. else's e-mail | Not here. |")
    (topic,) = scope.declines
    assert "sb. else's e-mail" in problems[0][1], "a full stop is nothing that a phrase has"
    assert len(problems) == 1
    assert topic.phrases == (("tax", "advic"), ("writ", ANY, "poem"), ("recip*",))
    assert (topic.topic, topic.says, topic.line) == ("Advice", "Not here.", 16)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("| | x | |", "without what is asked for"),
        ("| A | | No. |", "nothing that it is recognised by"),
        ("| A | … poem | |", "'… poem' of 'A' can't be read"),
        ("| A | poem … | |", "can't be read"),
        ("| A | 🫖 | |", "can't be read"),
        ("| A | po* | |", "too general"),
        ("| A | please write | |", "too general"),
        ("| A | refunded | |", "is declined, but the scope is about 'refund'; decide for one"),
        ("| A | teap* | |", "the scope is about 'teapot'"),
        (f"| A | {'poem, ' * 61} | |", "at most 50 lines, 60 phrases"),
        (f"| A | poem | {'x' * 501} |", "500 characters to say"),
    ],
)
def test_mistakes_have_their_line_and_say_what_is_allowed(row: str, says: str) -> None:
    ((line, problem),) = read(row)[1]
    assert says in problem
    assert line == 16


def test_a_line_stands_once_and_what_is_declined_below_the_list_is_no_contradiction() -> None:
    scope, problems = read("| A | tax, order poems | |", "| a | poem | |")
    assert problems == [(17, "'a' stands twice; first in line 16")]
    assert scope.declines[0].phrases == (("tax",), ("order", "poem"))


@pytest.mark.parametrize(
    "words",
    ["order orders ordered ordering", "delivery deliveries deliver delivers delivered", "cancel cancelled cancelling",
     "change changes changed changing", "address addresses", "policy policies", "sell selling sells", "poem poem's"],
)  # fmt: skip
def test_forms_of_a_word_are_one(words: str) -> None:
    assert len({stem(word) for word in words.split()}) == 1


def test_words_and_lists() -> None:
    assert words_of("Wo ist’s? E-Mail über\nOrders") == ["wo", "ist", ".", "email", "uber", ".", "order"]
    assert list_items("- a\n  b\n* c\nd") == ["a b", "c"]


@given(st.text())
def test_any_text_has_words_and_any_cell_is_read(text: str) -> None:
    words_of(text)
    read(f"| A | {text} | |")
