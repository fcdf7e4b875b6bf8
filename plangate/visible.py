"""Text of others for people: invisible characters show, and nothing in it can steer what displays it."""

from __future__ import annotations

import unicodedata


def visible(text: object) -> str:
    """A text in which escape sequences, control, invisible and bidirectional characters show as `\\u….`"""
    return "".join(char if harmless(char) else shown(char) for char in str(text))


def harmless(char: str) -> bool:
    """Whether a character can be shown as it is."""
    return char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def shown(char: str) -> str:
    """A character that can't be seen, in a way that can."""
    return "" if char == "\r" else f"\\u{ord(char):04x}"


def excerpt(text: object, limit: int = 300) -> str:
    """One line of at most `limit` characters, with all that is invisible made visible."""
    line = " ".join(visible(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
