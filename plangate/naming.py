"""What the person's request names: which literals of a plan stand in it, alone and letter for letter. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from plangate import expressions, strictjson
from plangate.runs import RunRequest

MAX_LITERAL = 500
"""Characters of a literal that is looked for in the request."""
_NUMBER = re.compile(r"(?<![\w.])[0-9][0-9,]*(?:\.[0-9]+)?(?!\w)")


def folded(text: str) -> str:
    """Text in lower case, letter for letter: never so that a letter turns into another one that only looks like it.

    `casefold` makes `ss` of `\u00df` and `s` of `\u017f`, and `lower` makes `k` of the Kelvin sign: other addresses.
    """
    if text.isascii():
        return text.lower()
    small = [(char, char.lower()) for char in text]
    return "".join(low if len(low) == 1 and low.isascii() == char.isascii() else char for char, low in small)


def named_literals(values: Iterable[Any], request: RunRequest) -> list[str]:
    """Of the literals in these values, those that the person's request, input or name has, as JSON."""
    literals = {strictjson.canonical(each): each for value in values for each in scalars(value)}
    told = Told(request)
    return sorted(text for text, literal in literals.items() if told.names(literal))


def literals_in(value: Any) -> Iterator[Any]:
    """Every single literal in a value as a plan writes it, those of its expressions too."""
    if isinstance(value, Mapping) and isinstance(value.get(expressions.REF), str):
        for each in expressions.literals(value[expressions.REF]):
            yield from literals_in(each)
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from literals_in(each)
    else:
        yield value


def scalars(value: Any) -> Iterator[str | int | float]:
    """Of these, texts and numbers: what a request can name."""
    return (each for each in literals_in(value) if can_be_named(each))


def can_be_named(literal: Any) -> TypeGuard[str | int | float]:
    """Whether it is a text or a number."""
    return isinstance(literal, str | int | float) and not isinstance(literal, bool)


def only_the_person(named: Iterable[str], request: RunRequest) -> list[str]:
    """Of literals that are named, as JSON, those that nothing but the name of the person who asks has."""
    if not request.user:
        return []
    told = Told(request.model_copy(update={"user": None}))
    return [text for text in named if not told.names(json.loads(text))]


class Told:
    """What the person said: a name counts where it stands alone, not as a part of a longer one."""

    def __init__(self, request: RunRequest) -> None:
        """From the request's text, the person's name and the structured input."""
        texts = [request.request, request.user or "", *(str(each) for each in scalars(request.input))]
        self._text = folded("\n".join(texts))
        self._numbers = {float(each.replace(",", "")) for each in _NUMBER.findall(self._text)}

    def names(self, literal: Any) -> bool:
        """Whether a text or a number stands there, alone and letter for letter."""
        if not isinstance(literal, str):
            return float(literal) in self._numbers if abs(literal) < 1e15 else False
        name = folded(literal.strip().lstrip("#"))
        if not name or len(name) > MAX_LITERAL:
            return False
        start = self._text.find(name)
        while start >= 0:
            if self._alone(start, start + len(name), mail="@" in name):
                return True
            start = self._text.find(name, start + 1)
        return False

    def _alone(self, start: int, end: int, *, mail: bool) -> bool:
        before, after = self._text[max(0, start - 2) : start], self._text[end : end + 2]
        joins = "._%+-@" if mail else ".@"
        if before and (before[-1].isalnum() or before[-1] == "_"):
            return False
        if mail and before and before[-1] in joins:
            return False
        if len(before) == 2 and before[-1] in joins and before[0].isalnum():
            return False
        if after and (after[0].isalnum() or after[0] == "_"):
            return False
        return not (len(after) == 2 and after[0] in joins and after[1].isalnum())
