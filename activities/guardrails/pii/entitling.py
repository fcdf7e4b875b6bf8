"""Which personal data the person who asks may read: what they wrote, and what stands in records of their own.

A customer (the run's `user` is an e-mail address) owns the records that name this address. Anybody else (the desk's own
people, nobody) is held to what the request names: the records with an e-mail address or number of the request in them,
and what these lead to. Documents tell everybody their contacts. Nothing from the web entitles anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any

from activities.guardrails.evidence import MAX_DEPTH, Evidence, values_in
from activities.guardrails.pii.finding import Detector, find
from activities.guardrails.pii.found import Found
from activities.guardrails.pii.telling import Told
from plangate.guardrails import PersonalKind
from plangate.provenance import Trust

_ANCHOR = re.compile(r"[^\s<>,;:\"'()#]*[\d@][^\s<>,;:\"'()]*")
CONTACTS = frozenset({PersonalKind.EMAIL, PersonalKind.PHONE, PersonalKind.ADDRESS})
"""What documents tell everybody."""


class Entitled:
    """What the person who asks may read.

    Args:
        evidence: The run's results and request.
        own: What the agent's owner wrote for it: the scope file and the prompt for answers.
        using: The detectors.
    """

    def __init__(self, evidence: Evidence, own: str, using: Iterable[Detector]) -> None:
        using = tuple(using)
        self._records = owned(evidence)
        lines = [line for record in self._records for line in _lines(record)]
        theirs = "\n".join([evidence.request, evidence.user or "", *_lines(evidence.input), *lines])
        passages = "\n".join(text for _, text in evidence.passages)
        self._theirs, self._pages = theirs, f"{own}\n{passages}"
        self._keys = {(each.kind, each.key) for each in find(theirs, using)} | _contacts(own, using)
        self._keys |= {(each.kind, each.key) for each in find(passages, using) if each.kind in CONTACTS}
        self._words = _words(f"{theirs}\n{passages}") | _owners_words(own)

    def to(self, found: Found) -> bool:
        """Whether they may read this. An address may be put together of their own records' words."""
        if not isinstance(found.kind, PersonalKind):
            return self._told.to(found)
        if (found.kind, found.key) in self._keys:
            return True
        return found.kind is PersonalKind.ADDRESS and set(found.key.split()) <= self._words

    @cached_property
    def _told(self) -> Told:
        values = ([str(value) for value in values_in(record)] for record in self._records)
        return Told(self._theirs.splitlines(), values, self._pages)


@lru_cache(maxsize=32)
def _contacts(own: str, using: tuple[Detector, ...]) -> frozenset[tuple[PersonalKind | str, str]]:
    """What the owner's own pages name, the same for every answer."""
    return frozenset((each.kind, each.key) for each in find(own, using) if each.kind in CONTACTS)


@lru_cache(maxsize=32)
def _owners_words(own: str) -> frozenset[str]:
    return frozenset(_words(own))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def owned(evidence: Evidence) -> list[Any]:
    """The records that belong to the person who asks."""
    user = (evidence.user or "").strip().casefold()
    customer = "@" in user
    anchors = {user} if customer else _anchors(evidence.request) | _anchors(" ".join(_lines(evidence.input)))
    results = [result for step, result in evidence.results.items() if evidence.trust.get(step) is not Trust.WEB]
    found = [record for result in results for record in _records(result, anchors)]
    if not customer:  # a named order leads to its customer
        anchors |= {each for record in found for each in _scalars(record) if "@" in each}
        return [record for result in results for record in _records(result, anchors)]
    return found


def _anchors(text: str) -> set[str]:
    words = {word.strip(".!?").casefold() for word in _ANCHOR.findall(text)}
    return {each for word in words for each in (word, word.rpartition("-")[2]) if len(each) >= 4}


def _records(value: Any, anchors: set[str], depth: int = 0) -> Iterator[Any]:
    """The outermost records that name one of these; a record inside that names somebody else isn't in them."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        if _scalars(value) & anchors:
            yield _without_others(value, anchors)
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _records(each, anchors, depth + 1)


def _without_others(value: Any, anchors: set[str], depth: int = 0) -> Any:
    if isinstance(value, Mapping):
        named = _scalars(value)
        if depth and any("@" in each for each in named) and not named & anchors:
            return None
        return {name: _without_others(each, anchors, depth + 1) for name, each in value.items()}
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        return [_without_others(each, anchors, depth + 1) for each in value]
    return value


def _scalars(record: Mapping[str, Any]) -> set[str]:
    """The record's own short values."""
    return {
        str(each).strip().casefold()
        for each in record.values()
        if isinstance(each, str | int) and not isinstance(each, bool) and len(str(each)) <= 254
    }


def _lines(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    if isinstance(value, Mapping):
        if depth < MAX_DEPTH:
            for key, each in value.items():
                yield from _lines(each, str(key), depth + 1)
    elif isinstance(value, list | tuple):
        if depth < MAX_DEPTH:
            for each in value:
                yield from _lines(each, name, depth + 1)
    elif value is not None:
        yield f"{name.replace('_', ' ')}: {value}" if name else str(value)
