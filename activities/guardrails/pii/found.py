"""What a detector found."""

from __future__ import annotations

import re
from dataclasses import dataclass

from plangate.guardrails import PersonalKind

_OTHER = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Found:
    """One place in a text.

    Attributes:
        kind: What it is.
        start: Its first character.
        end: The character after its last one.
        key: The value without its spelling: two spellings of one value have the same.
    """

    kind: PersonalKind
    start: int
    end: int
    key: str


def bare(text: str) -> str:
    """Letters and digits only, in one case."""
    return _OTHER.sub("", text).casefold()
