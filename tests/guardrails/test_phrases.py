"""Quick looks lose nothing: what a pattern finds alone, it finds where its words, signs and rows of characters lead."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.guardrails.injection import concepts, imitations, instructions, wishes
from activities.guardrails.injection.concepts import TOKEN
from activities.guardrails.injection.decoding import ENCODINGS, Encoding
from activities.guardrails.injection.phrases import Phrases
from activities.guardrails.injection.reading import Reading
from activities.guardrails.injection.rules import RULES
from activities.guardrails.injection.runs import shape
from activities.prompts.sections import _ANGLE, _names_a_section, text_section
from tests.guardrails.corpora.patterns import alternatives, made, widest
from tests.guardrails.report import SETS

PHRASES = {
    name: value
    for module in (imitations, instructions, wishes)
    for name, value in vars(module).items()
    if isinstance(value, Phrases)
}
EACH = pytest.mark.parametrize("phrases", PHRASES.values(), ids=PHRASES)
EACH_ENCODING = pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: each.pattern.pattern[:30])
BESIDE = ("", " ", "\n", "x", "é", "'", "_", ", ", "the order. ", " 7", "-- ", "please ignore " * 40)


def reading_of(text: str) -> Reading:
    """A text as it stands, read."""
    return Reading(text, "", frozenset(TOKEN.findall(text)))


def spans(matches: Iterable[re.Match[str]]) -> list[tuple[int, int]]:
    """Where matches stand."""
    return [found.span() for found in matches]


def texts(rng: random.Random) -> Iterator[str]:
    """All corpora, examples of rules, and rows of words that rules look for."""
    for samples in SETS.values():
        yield from (sample.text.lower() for sample in samples(rng.randrange(10**6)))
    yield from (example.lower() for rule in RULES for example in rule.examples)
    words = sorted({word for phrases in PHRASES.values() for word in TOKEN.findall(phrases.pattern.pattern)})
    for _ in range(1_500):
        row = rng.choices(words, k=rng.choice((4, 12, 60)))
        yield "".join(f"{word}{rng.choice((' ', ' ', ' ', ' ', ' ', ': ', ', ', '. ', '_', '-'))}" for word in row)


def test_there_are_phrases() -> None:
    assert len(PHRASES) >= 18


@EACH
def test_each_alternative_of_a_pattern_is_found_with_its_words(phrases: Phrases) -> None:
    rng = random.Random(phrases.pattern.pattern)
    for number, alternative in enumerate(alternatives(phrases.pattern)):
        tried = 0
        for _ in range(200):
            text = f"{rng.choice(BESIDE)}{made(alternative, rng)}{rng.choice(BESIDE)}"
            alone = phrases.pattern.search(text)
            tried += alone is not None
            assert spans(filter(None, [phrases.search(reading_of(text))])) == spans(filter(None, [alone])), text
        assert tried >= 6, f"alternative {number} is hardly ever made up"


@EACH
def test_a_pattern_reaches_no_further_than_it_says(phrases: Phrases) -> None:
    assert phrases.reach is None or widest(phrases.pattern) <= phrases.reach


def test_patterns_find_the_same_with_and_without_their_words() -> None:
    found = 0
    for text in texts(random.Random(3)):
        reading = reading_of(text)
        for name, phrases in PHRASES.items():
            alone = spans(phrases.pattern.finditer(text))
            assert spans(phrases.matches(reading)) == alone, (name, text)
            found += len(alone)
    assert found > 500


def test_foreign_patterns_are_tried_where_their_letters_are() -> None:
    rng = random.Random(5)
    foreign = [(phrases, phrases.foreign) for phrases in PHRASES.values() if phrases.foreign]
    assert foreign
    for phrases, pattern in foreign:
        for alternative in alternatives(pattern):
            made_up = [f"{rng.choice((*BESIDE, 'an ai'))}{made(alternative, rng)}" for _ in range(60)]
            matching = [text for text in made_up if pattern.search(text)]
            assert matching, alternative
            assert all(phrases.search(reading_of(text)) for text in matching), alternative


@given(st.text("ab cd,.'\n", max_size=60), st.integers(0, 5))
def test_stretches_are_in_order_and_hold_every_place(text: str, reach: int) -> None:
    reading = reading_of(text)
    stretches = list(reading.near(("a", "b*"), reach))
    assert all(before[1] < after[0] for before, after in itertools.pairwise(stretches))
    for found in re.finditer(r"(?<![^\W_])(?:a(?![^\W_])|b)", text):
        assert any(start <= found.start() and found.start() + reach <= end for start, end in stretches)


@EACH_ENCODING
def test_an_encodings_pieces_are_those_that_its_pattern_finds_alone(encoding: Encoding) -> None:
    rng = random.Random(encoding.pattern.pattern)
    tried = 0
    for _ in range(300):
        pieces = "".join(f"{rng.choice(BESIDE)}{made(encoding.pattern, rng)}" for _ in range(rng.randint(1, 4)))
        text = pieces + rng.choice(BESIDE)
        alone = [found[0] for found in encoding.pattern.finditer(text)]
        tried += len(alone)
        assert list(encoding.pieces(text, shape(text))) == alone, text
    assert tried >= 100


@given(st.text("aé .-_*x1", max_size=40))
def test_letters_apart_are_looked_for_where_their_middle_stands(text: str) -> None:
    assert concepts._MAYBE_APART.search(text) or not concepts._APART.search(text)


@given(
    st.lists(
        st.sampled_from(("<", "〈", "con", "text", "CONTEXT", "reques", "t", "ѕ", "é", " ", "/", "\u0345", "x" * 75))
    )
)
def test_a_section_is_the_same_as_when_every_bracket_is_asked(parts: list[str]) -> None:
    text = "".join(parts)
    asked: Callable[[re.Match[str]], str] = lambda found: "&lt;" if _names_a_section(text, found.end()) else found[0]  # noqa: E731
    assert text_section("request", text) == f"<request>\n{_ANGLE.sub(asked, text)}\n</request>"
