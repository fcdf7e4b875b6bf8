"""The guardrail `input.scope`: what the scope file declines in so many words is declined before any model is asked.

It knows only what is clear. A request with any word of what the agent is for goes on to the planner, which reads the
whole scope and can decline too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from activities.guardrails.contracts import Asked
from plangate.agents import Scope
from plangate.declining import ANY, GAP, STOP, DeclinedTopic, subject_words, words_of
from plangate.policy import Action, Verdict

_USUAL = "That is nothing that we can help with here, I'm afraid."
_MOST_WORDS = 300
"""In a longer request a phrase may stand in passing: the planner reads it."""


@dataclass(frozen=True)
class _Reader:
    """What a scope declines, in a form that is quick to look for."""

    about: frozenset[str]
    by_word: dict[str, list[tuple[DeclinedTopic, tuple[str, ...]]]]
    """Phrases by their first word."""
    beginnings: tuple[str, ...]
    """First words of phrases that are only the beginnings of words."""


def in_scope(asked: Asked) -> Verdict | None:
    """Decline a request with a phrase that the scope file declines, and no word of what the agent is for.

    A caller's plan and a structured input say what is wanted better than words, and are left alone.
    """
    if not asked.agent.scope.declines or asked.request.plan is not None or asked.request.input:
        return None
    if len(asked.text.split(None, _MOST_WORDS)) > _MOST_WORDS:
        return None
    reader = _reader_of(asked.agent.scope)
    words = words_of(asked.text, _MOST_WORDS + 1)
    found = _find(words, reader) if len(words) <= _MOST_WORDS else None
    if found is None:
        return None
    topic, phrase, places = found
    if any(word in reader.about and at not in places for at, word in enumerate(words)):
        return None
    detail = f"{topic.topic}: {' '.join(phrase)!r}; nothing of what the scope is about"
    return Verdict(action=Action.BLOCK, rule="scope.declined", reason=topic.says or _USUAL, detail=detail)


def _find(words: Sequence[str], reader: _Reader) -> tuple[DeclinedTopic, tuple[str, ...], set[int]] | None:
    """The first topic of which a phrase stands in these words, the phrase, and the places of all phrases."""
    first: tuple[DeclinedTopic, tuple[str, ...]] | None = None
    places: set[int] = set()
    for at, word in enumerate(words):
        if word not in reader.by_word and not word.startswith(reader.beginnings):
            continue
        starts = reader.by_word.get(word, [])
        if word.startswith(reader.beginnings):
            starts = [*starts, *(e for b in reader.beginnings if word.startswith(b) for e in reader.by_word[f"{b}*"])]
        for topic, phrase in starts:
            taken = _match(words, at, phrase)
            if taken:
                first = first or (topic, phrase)
                places.update(taken)
    return (*first, places) if first else None


def _match(words: Sequence[str], at: int, phrase: Sequence[str]) -> list[int]:
    """The places of a phrase's words when it stands there, the first of them `at`; else nothing."""
    taken = [at]
    gap = 0
    for part in phrase[1:]:
        if part == ANY:
            gap = GAP
            continue
        here = taken[-1] + 1
        found = next((place for place in range(here, min(here + gap + 1, len(words))) if _is(words[place], part)), None)
        if found is None or STOP in words[here:found]:
            return []
        taken.append(found)
        gap = 0
    return taken


def _is(word: str, part: str) -> bool:
    return word.startswith(part[:-1]) if part.endswith("*") else word == part


def _reader_of(scope: Scope) -> _Reader:
    prose = tuple((name, scope.sections.get(name, "")) for name in ("purpose", "what it accepts"))
    return _reader(prose, tuple(scope.tools), tuple(scope.declines))


@lru_cache(maxsize=64)
def _reader(prose: tuple[tuple[str, str], ...], tools: tuple[str, ...], topics: tuple[DeclinedTopic, ...]) -> _Reader:
    by_word: dict[str, list[tuple[DeclinedTopic, tuple[str, ...]]]] = {}
    for topic in topics:
        for phrase in topic.phrases:
            by_word.setdefault(phrase[0], []).append((topic, phrase))
    beginnings = tuple(word[:-1] for word in by_word if word.endswith("*"))
    return _Reader(subject_words(dict(prose), tools), by_word, beginnings)
