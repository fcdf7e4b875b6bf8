"""Finished items of a list in short; see `plangate.carrying`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from plangate.errors import ErrorPayload


class PackedCalls(BaseModel):
    """Calls of finished items that differ in nothing but their number and what is told of each here."""

    model_config = ConfigDict(frozen=True)

    tool: str = ""
    status: str = ""
    """A `CallStatus`."""
    fallback: bool = False
    items: str = ""
    """Their numbers, ascending: `0-4711,4713`."""
    gates_of: str = ""
    """The run in which each had a gate of its own; empty without gates."""
    error: ErrorPayload | None = None
    bytes: int = 0
    """Of all results together."""
    nth: int = 0
    """The highest number among the calls of its tool."""
    same: str = ""
    """`CallState.same` of each, 8 bytes each in the order of `items`, in base64; empty where it isn't counted."""
    args_key: str = ""
    """Where the bound arguments of all are stored, as a list; empty where nothing needs them."""
    args_at: str = ""
    """Which of that list each one's are, in the order of `items`: `0-4710,4712`."""
    started_at: datetime | None = None
    """When the first one began."""
    first_end: datetime | None = None
    last_end: datetime | None = None

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(high - low + 1 for low, high in _spans(self.items))

    def same_of_each(self) -> list[str]:
        """`CallState.same` of each, in the order of `items`."""
        same = base64.b64decode(self.same)
        return [same[start : start + 8].hex() for start in range(0, len(same), 8)]


def to_ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers in short: `0-4711,4713`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{low}-{high}" if high > low else f"{low}" for low, high in parts)


def from_ranges(text: str) -> Iterator[int]:
    """The numbers again."""
    for low, high in _spans(text):
        yield from range(low, high + 1)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for part in text.split(",") if text else []:
        low, _, high = part.partition("-")
        yield int(low), int(high or low)
