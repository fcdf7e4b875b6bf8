"""Whose facts they are: what an answer says of one order must stand in that order's records, and nobody else's.

A sentence is about the records that it names by id (`order 1042`), or about those of the sentence before. Records of
the same kind with another id (the same field, another value) support nothing in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.guardrails.contracts import Answered
from activities.guardrails.evidence import MAX_DEPTH
from activities.guardrails.facts import Fact, Sort, plain_id
from activities.guardrails.supporting import Support, supporting

_ID_FIELD = re.compile(r"(?:^|_)(?:id|number|no|nr|reference|ref|code)$|^(?:order|invoice|ticket|booking|parcel)$")
_JUDGED = frozenset({Sort.AMOUNT, Sort.DATE, Sort.ID, Sort.PERCENT})
MOST_SUBJECTS = 12
"""Different subjects of an answer whose facts are told apart."""


@dataclass
class Records:
    """The records of a run's results by their ids.

    Attributes:
        fields: Id → names of the fields in which it stands.
        values: Name of a field → the ids in it.
        people: Id → the e-mail addresses in its records.
    """

    fields: dict[str, set[str]] = field(default_factory=dict)
    values: dict[str, set[str]] = field(default_factory=dict)
    people: dict[str, list[set[str]]] = field(default_factory=dict)

    def add(self, value: Any, depth: int = 0) -> None:
        """Take in a result."""
        if depth > MAX_DEPTH:
            return
        if isinstance(value, Mapping):
            addresses = {str(each).casefold() for each in value.values() if isinstance(each, str) and "@" in each}
            for name, key in ids_of(value):
                self.fields.setdefault(key, set()).add(name)
                self.values.setdefault(name, set()).add(key)
                self.people.setdefault(key, []).append(addresses)
            value = list(value.values())
        if isinstance(value, list | tuple):
            for each in value:
                self.add(each, depth + 1)

    def subject(self, fact: Fact) -> str:
        """The record's id that a fact names, if there are others like it; else nothing."""
        for key in (fact.key, without_letters(fact.key)):
            if any(len(self.values[name]) > 1 for name in self.fields.get(key, ())):
                return key
        return ""

    def others(self, subjects: frozenset[str]) -> Any:
        """Whether a record is of the same kind as these, and none of them."""
        names = {name for key in subjects for name in self.fields.get(key, ())}

        def foreign(record: Mapping[str, Any]) -> bool:
            found = dict(ids_of(record))
            return not subjects & set(found.values()) and bool(names & set(found))

        return foreign


def ids_of(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of a record that hold ids, with what they hold in the form that is compared."""
    for name, value in record.items():
        if isinstance(value, str | int) and not isinstance(value, bool) and _ID_FIELD.search(str(name).casefold()):
            key = plain_id(str(value))
            if 3 <= len(key) <= 60:
                yield str(name).casefold(), key


def without_letters(key: str) -> str:
    """`tp1042` as `1042`: shops write their orders both ways."""
    return re.sub(r"^[a-z]{1,4}(?=\d{4,}$)", "", key)


def records_of(answered: Answered) -> Records:
    """The records of an answer's results; read once for all the beginnings of it that are judged."""
    memo = answered.evidence.memo if answered.evidence is not None else {}
    if "records" not in memo:
        memo["records"] = found = Records()
        found.add(dict(answered.results))
    known: Records = memo["records"]
    return known


def mixed_up(answered: Answered, sentences: list[list[Fact]]) -> Iterator[Fact]:
    """The facts that are true, but of another record than the one that their sentence is about.

    Args:
        answered: The answer.
        sentences: Its facts by sentence.
    """
    records = records_of(answered)
    if not any(len(values) > 1 for values in records.values.values()):
        return
    whole, about = supporting(answered), frozenset[str]()
    known: dict[frozenset[str], Support] = {}
    for facts in sentences:
        named = frozenset(key for fact in facts if fact.sort is Sort.ID and (key := records.subject(fact)))
        about = named or about
        if not about or (about not in known and len(known) >= MOST_SUBJECTS):
            continue
        for fact in facts:
            if fact.sort in _JUDGED and not records.subject(fact) and whole.holds(fact):
                if about not in known:
                    known[about] = Support.of(answered, records.others(about))
                if not known[about].holds(fact):
                    yield fact


def not_theirs(answered: Answered, sentences: list[list[Fact]]) -> Iterator[Fact]:
    """The ids of records that name other people, and never the customer who asks."""
    user = (answered.task.user or "").strip().casefold()
    if "@" not in user:
        return
    people = records_of(answered).people
    for fact in (fact for facts in sentences for fact in facts if fact.sort is Sort.ID):
        named = people.get(fact.key) or people.get(without_letters(fact.key), [])
        if any(named) and not any(user in addresses for addresses in named):
            yield fact
