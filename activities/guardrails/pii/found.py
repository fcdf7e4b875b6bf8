"""What a detector found."""

from __future__ import annotations

import re
from dataclasses import dataclass

from plangate.guardrails import PersonalKind

_OTHER = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W_]+")
_TITLES = re.compile(r"(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|mme|monsieur|madame|señor|señora|sr|sra)")


@dataclass(frozen=True)
class Found:
    """One place in a text.

    Attributes:
        kind: What it is: one of our own kinds, or Presidio's name for what it found.
        start: Its first character.
        end: The character after its last one.
        key: The value without its spelling: two spellings of one value have the same.
    """

    kind: PersonalKind | str
    start: int
    end: int
    key: str


def bare(text: str) -> str:
    """Letters and digits only, in one case."""
    return _OTHER.sub("", text).casefold()


def words_of(text: str) -> str:
    """The words of a name in one case, with a space between them, without title and the `'s` of English."""
    words = _WORD.findall(re.sub(r"['’]s\b", "", text.casefold()))
    return " ".join(words[1:] if len(words) > 1 and _TITLES.fullmatch(words[0]) else words)
