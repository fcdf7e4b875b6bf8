"""A text as the rules see it, with a quick way to where certain words stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

_OTHER_SCRIPTS = re.compile("[\u0400-\u1dff\u3000-\ud7ff\uf900-\ufdff\ufe70-\ufeff]")
"""Cyrillic and what comes behind it: the scripts of which rules have patterns that words don't lead to."""
_JOINT = re.compile("['’@$]")


@dataclass(frozen=True)
class Reading:
    """A text, read.

    Attributes:
        text: In lower case.
        codes: Its concepts, `|` at the end of a sentence or line.
        words: The words in it, `customer's` as one.
        disguised: For each word that was masked, how.
    """

    text: str
    codes: str
    words: frozenset[str] = frozenset()
    disguised: tuple[str, ...] = ()
    _found: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def other_scripts(self) -> bool:
        """Whether it has letters of a script other than Latin and Greek."""
        return not self.text.isascii() and _OTHER_SCRIPTS.search(self.text) is not None

    @cached_property
    def parts(self) -> frozenset[str]:
        """The words in it, and those between apostrophes one by one."""
        joined = (word for word in self.words if not word.isalnum())
        return self.words.union(*(_JOINT.split(word) for word in joined))

    def places(self, words: Iterable[str]) -> list[int]:
        """Where some words begin, in the order of the text.

        Args:
            words: Whole words, or their beginnings with a `*` behind them.
        """
        return sorted({at for word in words for at in self._places(word)})

    def near(self, words: Iterable[str], reach: int) -> Iterator[tuple[int, int]]:
        """The stretches of the text around some words, in their order, none touching another.

        Args:
            words: As for `places`.
            reach: Characters of a stretch before and behind the beginning of a word.
        """
        start, end = 0, -1
        for at in self.places(words):
            if at - reach > end:
                if end >= 0:
                    yield start, end
                start = max(0, at - reach)
            end = at + reach
        if end >= 0:
            yield start, end

    def _places(self, word: str) -> list[int]:
        """Where a word begins, each time that it stands there."""
        found = self._found.get(word)
        if found is None:
            found = self._found[word] = list(self._find(word)) if word.endswith("*") or word in self.parts else []
        return found

    def _find(self, word: str) -> Iterator[int]:
        text, whole, word = self.text, not word.endswith("*"), word.rstrip("*")
        at = text.find(word)
        while at >= 0:
            end = at + len(word)
            if not (at and text[at - 1].isalnum()) and not (whole and text[end : end + 1].isalnum()):
                yield at
            at = text.find(word, end)
