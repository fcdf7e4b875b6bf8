"""Texts made up from regular expressions, by the tree that `re` reads them into."""

from __future__ import annotations

import random
import re
from functools import cache
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_ANY = "abcdefghijklmnopqrstuvwxyz0123456789 _-.,:;!?'/#*=[(&%\n"
_KINDS = {
    c.CATEGORY_SPACE: str.isspace,
    c.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    c.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    c.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
    c.CATEGORY_DIGIT: str.isdecimal,
    c.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
}


def alternatives(pattern: re.Pattern[str]) -> list[Any]:
    """The alternatives of a pattern, for `made`: those that stand at its beginning or behind what all have in common."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    for at, (op, value) in enumerate(tree):
        if op is c.BRANCH:
            return [[*tree[:at], *branch, *tree[at + 1 :]] for branch in value[1]]
    return [tree]


def widest(pattern: re.Pattern[str]) -> int:
    """Characters that a match has at most."""
    return int(parser.parse(pattern.pattern, pattern.flags).getwidth()[1])


def made(tree: Any, rng: random.Random) -> str:
    """A text that a pattern, or an alternative of it, most likely matches; what it asks of neighbours may be amiss."""
    if isinstance(tree, re.Pattern):
        tree = parser.parse(tree.pattern, tree.flags)
    return "".join(_made(op, value, rng) for op, value in tree)


def _made(op: Any, value: Any, rng: random.Random) -> str:
    if op is c.LITERAL:
        return chr(value)
    if op is c.NOT_LITERAL:
        return rng.choice(_ANY.replace(chr(value), ""))
    if op is c.IN:
        characters = _characters(tuple(value))
        return " " if " " in characters and rng.random() < 0.5 else rng.choice(characters)
    if op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        least, most, inner = value
        times = rng.choice((least, least + 1, min(most, least + 5), min(most, 60)))
        return "".join(made(inner, rng) for _ in range(min(times, most)))
    if op is c.SUBPATTERN:
        return made(value[3], rng)
    if op is c.ATOMIC_GROUP:
        return made(value, rng)
    if op is c.BRANCH:
        return made(rng.choice(value[1]), rng)
    if op is c.ASSERT and value[0] < 0:
        return made(value[1], rng)  # what stands before it
    if op is c.ANY:
        return rng.choice(_ANY.replace("\n", ""))
    if op is c.AT and value is not c.AT_BOUNDARY:
        return rng.choice(("", "\n"))
    if op in (c.ASSERT, c.ASSERT_NOT, c.AT):
        return ""
    raise NotImplementedError(op)


@cache
def _characters(items: tuple[tuple[Any, Any], ...]) -> list[str]:
    """What a class in brackets may be."""
    negated = items[0][0] is c.NEGATE
    found: set[str] = set()
    for op, value in items:
        if op is c.LITERAL:
            found.add(chr(value))
        elif op is c.RANGE:
            found.update(map(chr, range(value[0], value[1] + 1)))
        elif op is c.CATEGORY:
            found.update(filter(_KINDS[value], _ANY + "é"))
    return sorted(set(_ANY) - found if negated else found)
