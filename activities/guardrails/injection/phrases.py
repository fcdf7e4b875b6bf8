"""Patterns of words that are tried only where they can match: at, or near, a word that every match has.

Nearly every text has none of these words, and then a pattern costs nothing; in a text full of them it costs what
looking through all of it would. `tests/guardrails/test_phrases.py` holds patterns and their words together: it makes up
matches of each pattern, and compares what is found with what the pattern alone finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.guardrails.injection.reading import Reading

_MARGIN = 16
"""Characters beside a match that a pattern may ask about."""


class Phrases:
    """A pattern with the words that lead to it.

    Args:
        keys: Words with spaces between them, a `*` behind the beginning of one; one of them is in every match.
        pattern: What is looked for, in text in lower case; `^` is also the beginning of a line.
        reach: Characters that a match has at most. None: each match begins with one of the words.
        signs: Characters of which one is in every match, where there are such.
        foreign: The same in scripts whose words can't be told apart by spaces; it is looked for everywhere.
    """

    def __init__(
        self, keys: str, pattern: str, *, reach: int | None = None, signs: str = "", foreign: str = ""
    ) -> None:
        self.keys = tuple(keys.split())
        self.pattern = re.compile(pattern, re.MULTILINE)
        self.reach = reach
        self.signs = signs
        self.foreign = re.compile(foreign) if foreign else None
        self._words = frozenset(key for key in self.keys if not key.endswith("*"))
        self._beginnings = tuple(key.rstrip("*") for key in self.keys if key.endswith("*"))

    def search(self, reading: Reading) -> re.Match[str] | None:
        """The first match."""
        found = next(self.matches(reading), None)
        if found is None and self.foreign is not None and reading.other_scripts:
            return self.foreign.search(reading.text)
        return found

    def matches(self, reading: Reading) -> Iterator[re.Match[str]]:
        """All matches that the words lead to, in their order."""
        text = reading.text
        if self._words.isdisjoint(reading.parts) and not any(each in text for each in self._beginnings):
            return
        if self.signs and not any(sign in text for sign in self.signs):
            return
        if self.reach is None:
            yield from filter(None, (self.pattern.match(text, at) for at in reading.places(self.keys)))
            return
        for start, end in reading.near(self.keys, self.reach + _MARGIN):
            for found in self.pattern.finditer(text, start, end):
                # A stretch's end looks like the text's end. No match with one of the words comes that near to it.
                if found.end() <= end - _MARGIN or end >= len(text):
                    yield found
