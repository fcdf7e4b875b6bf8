"""Keeps secrets out of errors and logs: values under telling names are masked, long ones cut."""

from __future__ import annotations

import json
import re
from typing import Any

MASK = "[redacted]"
MAX_TEXT = 200
"""Characters of a value kept."""
MAX_ITEMS = 20
"""Entries of a list or object kept."""
_TELLING = re.compile(
    r"passw|secret|token|api[_-]?key|authori[sz]ation|credential|cookie|private[_-]?key|card[_-]?number|cvv|cvc|\bpin\b|iban",
    re.I,
)


MAX_INPUT = 8 * 1024
"""Characters of the JSON of a call's arguments in an error."""


def small(args: dict[str, Any]) -> dict[str, Any] | None:
    """The redacted arguments of a call, or None when even so they are large."""
    shown: dict[str, Any] = redacted(args)
    return shown if len(json.dumps(shown, default=str)) <= MAX_INPUT else None


def telling(name: str) -> bool:
    """Whether a value of that name is a secret."""
    return _TELLING.search(name) is not None


def redacted(value: Any, *, depth: int = 4) -> Any:
    """A small copy of a value for errors and logs."""
    if isinstance(value, dict):
        if depth == 0:
            return "{…}"
        kept = list(value.items())[:MAX_ITEMS]
        return {
            str(name): MASK if _TELLING.search(str(name)) and item is not None else redacted(item, depth=depth - 1)
            for name, item in kept
        }
    if isinstance(value, (list, tuple)):
        return [redacted(item, depth=depth - 1) for item in value[:MAX_ITEMS]] if depth else "[…]"
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return value[:MAX_TEXT] + "…"
    return value
