"""Which names and numbers that Presidio found the person who asks may read: those that they know in so many words.

A name has no checksum and no one spelling, so it isn't looked for in the records: what was found in the answer is.
"""

from __future__ import annotations

from collections.abc import Iterable

from activities.guardrails.pii.found import Found, bare, words_of

EVERYBODYS = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME", "URL"})
"""What documents and the owner's pages tell everybody; numbers of people they don't."""
DIGITS = 5
"""Letters and digits that a number has at least, to be known in another spelling."""
SHORT = 254
"""Characters of a value that may be a part of a name; a longer one is prose, in which any two words may stand."""


class Told:
    """What the person who asks knows.

    Args:
        theirs: Lines that they wrote, and those of their own records.
        records: The values of each of their own records.
        pages: What documents say, and the owner's pages.
    """

    def __init__(self, theirs: Iterable[str], records: Iterable[Iterable[str]], pages: str) -> None:
        lines = list(theirs)
        self._theirs = _phrases(lines)
        self._numbers = "\n".join(bare(line) for line in lines)
        self._records = [
            {word for value in values if len(value) <= SHORT for word in words_of(value).split()} for values in records
        ]
        self._pages = _phrases(pages.splitlines())

    def to(self, found: Found) -> bool:
        """Whether they may read it: as it stands, or put together of one record's words (`first name`, `last name`)."""
        phrase = f" {found.key} "
        if phrase in self._theirs or (found.kind in EVERYBODYS and phrase in self._pages):
            return True
        if any(char.isdigit() for char in found.key):
            number = found.key.replace(" ", "")
            return len(number) >= DIGITS and number in self._numbers
        return any(record.issuperset(found.key.split()) for record in self._records)


def _phrases(lines: Iterable[str]) -> str:
    """The lines' words with single spaces; no phrase reaches over the end of a line."""
    return "\n".join(f" {words_of(line)} " for line in lines)
