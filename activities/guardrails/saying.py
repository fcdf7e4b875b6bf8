"""Statements without a number: the state that something is in, and names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from activities.guardrails.contracts import Answered
from activities.guardrails.evidence import MAX_DEPTH
from activities.guardrails.numerals import MONTHS, WEEKDAYS

_ADVERB = (
    r"(?:(?:already|now|just|also|all|both|since|safely|still|finally|officially|currently|unfortunately)\s+){0,3}"
)
_WAS = rf"(?:\b(?:is|are|was|were|been|got|has|have|be)|['’](?:s|re|ve))\s+{_ADVERB}"


@dataclass(frozen=True)
class State:
    """A state that things are in.

    Attributes:
        name: For people.
        said: How an answer says it.
        known: What a status, or the name of a field that isn't empty, has in it when it is so.
        unsent: Whether a status like `not_sent` can say so.
    """

    name: str
    said: re.Pattern[str]
    known: re.Pattern[str]
    unsent: bool = False


def _state(name: str, said: str, known: str, *, unsent: bool = False) -> State:
    return State(name, re.compile(said, re.IGNORECASE), re.compile(known, re.IGNORECASE), unsent)


STATES = (
    _state(
        "delivered",
        rf"{_WAS}(?:delivered|arrived|reached you|handed over to you)\b"
        rf"|\b(?:it|parcel|order)\s{_ADVERB}(?:arrived|reached you)\b",
        r"deliver(?!y)|arriv|receiv|collected|complete",
    ),
    _state(
        "under way",
        rf"{_WAS}(?:shipped|dispatched|posted|sent out|handed to the carrier|with the carrier|in transit"
        rf"|out for delivery|on (?:its|their|the) way(?! back)|left (?:our|the) (?:shop|warehouse))\b",
        r"ship|dispatch|transit|delay|way|out.for|deliver(?!y)|sent|post|left|carrier|collected",
    ),
    _state(
        "being prepared",
        rf"{_WAS}(?:being (?:prepared|packed|processed|made ready)"
        r"|not (?:yet )?(?:left|shipped|been shipped|dispatched))\b",
        r"prepar|pack|wait|pend|process|new|placed|paid|open|held|ready|confirm|accept|not.sent",
        unsent=True,
    ),
    _state("lost", rf"{_WAS}(?:lost|gone missing)\b|\bwent missing\b", r"lost|missing"),
    _state("sent back", rf"{_WAS}(?:returned to (?:us|the sender)|sent back to us|back with us)\b", r"return|back"),
    _state("sold out", rf"{_WAS}(?:sold out|out of stock|no longer available)\b", r"sold|out|unavail|discont|none"),
)
"""Claims of what *we* did are in `activities.guardrails.claims`."""

_STATUS = re.compile(r"(?:^|_)(?:status|state|stage|phase|availability)$", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:not|never|no|if|once|until|when|whenever|unless|after|before|can|could|may|might|will|would|should|counts?)\b|n['’]t\b",
    re.IGNORECASE,
)


def states_of(value: Any, depth: int = 0) -> Iterator[str]:
    """The statuses in results, and after a `+` the names of date fields that aren't empty (`+delivered_on`)."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, str) and _STATUS.search(str(name)):
                yield each
            elif str(name).endswith(("_on", "_at", "_date")) and each:
                yield f"+{name}"
        value = list(value.values())
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        for each in value:
            yield from states_of(each, depth + 1)


def wrong_states(answered: Answered, sentence: str) -> Iterator[tuple[int, str]]:
    """Where a sentence puts something into a state that no result knows, and which; only where results know states."""
    memo = answered.evidence.memo if answered.evidence is not None else {}
    if "states" not in memo:
        memo["states"] = list(states_of(dict(answered.results)))
    known: list[str] = memo["states"]
    if not known or sentence.rstrip().endswith("?"):
        return
    for state in STATES:
        match = state.said.search(sentence)
        if match is None or _NOT.search(sentence[: match.start()]):
            continue
        # `not_sent` says nothing of being sent, and `placed_on` nothing of what is now.
        telling = [each for each in known if not each.startswith("+" if state.unsent else "not")]
        if not any(state.known.search(each) for each in telling) and not state.said.search(answered.task.request):
            yield match.start(), state.name


_NAME = re.compile(r"(?<=[a-z,;:(][ ])[A-Z][^\W\d_]{2,30}(?:[-'’][A-Z][^\W\d_]+)?\b|\b[A-Z]{3,10}\b")
_WORD = re.compile(r"[^\W\d_]{2,40}")
_ENGLISH = frozenset(
    ("the", "is", "your", "you", "of", "and", "to", "on", "with", "it", "by", "we", "has", "been", "for")
)
_EVERYBODYS = frozenset(
    """hello dear thank thanks kind best warm regards wishes yours sincerely please sorry british english german french
    spanish italian dutch polish european europe christmas easter paypal visa mastercard faq pdf url usa gbp eur usd chf
    jpy pln vat asap royal mail post internet google android iphone email mrs the and but for not you your our are was
    has""".split()  # noqa: SIM905 - it is prose, in a way
) | {*MONTHS, *WEEKDAYS}


def unknown_names(answered: Answered, sentence: str) -> Iterator[tuple[int, str]]:
    """Where a sentence names somebody or something that occurs nowhere; names at its beginning are taken for words.

    Only in English sentences: where other words are capitalised too, names can't be told from them.
    """
    words = {word.casefold() for word in _WORD.findall(sentence)}
    if len(words & _ENGLISH) < 2:
        return
    for match in _NAME.finditer(sentence):
        if not all(part.casefold() in _known(answered) for part in _WORD.findall(match.group())):
            yield match.start(), match.group()


@lru_cache(maxsize=32)
def _words_of(pages: tuple[str, ...]) -> frozenset[str]:
    """The words of what an agent's owner and developer wrote, the same for all answers of a version."""
    found = {word.casefold() for text in pages for word in _WORD.findall(text)}
    return frozenset(found | {f"{word}s" for word in found} | _EVERYBODYS)


def _known(answered: Answered) -> frozenset[str]:
    """All words of what an answer may rely on, and of what its owner and developer wrote."""
    memo = answered.evidence.memo if answered.evidence is not None else {}
    if "words" not in memo:
        agent, task = answered.agent, answered.task
        texts = [
            task.request, task.user or "", str(task.input), str(dict(answered.results)), *task.gaps,
            *(f"{step.summary} {step.reason}" for step in task.steps),
        ]  # fmt: skip
        found = {word.casefold() for text in texts for word in _WORD.findall(text[:400_000])}
        pages = (agent.name, agent.settings.title, agent.settings.description, agent.scope.text, agent.responder_prompt)
        memo["words"] = frozenset(found | {f"{word}s" for word in found} | _words_of(pages))
    known: frozenset[str] = memo["words"]
    return known
