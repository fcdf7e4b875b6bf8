"""Masks secrets that this process knows, wherever they turn up: errors, log lines, results.

One set for the process, since log lines of every part of it go through the same place.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any
from urllib.parse import quote

from plangate.credentials import MIN_LENGTH
from plangate.redaction import MASK

MAX_KNOWN = 200
"""Secrets remembered, the latest: a token that was replaced may still turn up in a late error."""


class KnownSecrets:
    """The secrets that this process has seen."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def add(self, value: str) -> None:
        """Mask this from now on, also as JSON and URLs write it. One of fewer than 8 characters isn't masked."""
        if len(value) < MIN_LENGTH:
            return
        if value not in self._known:
            escaped = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe=""))
            self._known[value] = tuple(sorted({value, *escaped}, key=len, reverse=True))
        self._known.move_to_end(value)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def mask(self, text: str) -> str:
        """The text without them."""
        for written in self._known.values():
            for form in written:
                if form in text:
                    text = text.replace(form, MASK)
        return text

    def mask_json(self, text: str) -> str:
        """JSON text without them; it stays JSON, and numbers that are secrets become texts."""
        if self.mask(text) == text:
            return text
        return json.dumps(self.masked(json.loads(text)), ensure_ascii=False, separators=(",", ":"))

    def masked(self, value: Any) -> Any:
        """A copy of JSON-like data without them."""
        if not self._known:
            return value
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask(str(name)): self.masked(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.mask(str(value)) != str(value):
            return MASK
        return value


KNOWN = KnownSecrets()


def mask_line(_logger: Any, _method: str, line: Any) -> str:
    """For structlog, after the renderer: a log line without secrets."""
    return KNOWN.mask(str(line))
