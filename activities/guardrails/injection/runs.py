"""Where certain characters stand in long rows, found at the speed of C.

A regular expression spends some ten nanoseconds on each character that it may begin at; turning a text into one byte a
character and searching these takes a hundredth of that. What is found is then read by the expression itself.
"""

from __future__ import annotations

_IN, _OUT = b"#", b" "


def shape(text: str) -> bytes:
    """A text as one byte for each character: its own where that is ASCII, else a question mark."""
    return text.encode("ascii", "replace")


class Runs:
    """Rows of characters of a class.

    Args:
        characters: The class, in ASCII. With a question mark in it, it has all characters beyond ASCII too.
        least: Characters of a row at least.
    """

    def __init__(self, characters: str, least: int) -> None:
        self._class = bytes(_IN[0] if chr(byte) in characters else _OUT[0] for byte in range(256))
        self._row = _IN * least

    def span(self, shaped: bytes) -> tuple[int, int] | None:
        """From where to where there are rows: the beginning of the first one, and the end of the last.

        Args:
            shaped: What `shape` made of the text.
        """
        masked = shaped.translate(self._class)
        first = masked.find(self._row)
        if first < 0:
            return None
        end = masked.find(_OUT, masked.rfind(self._row))
        return first, end if end >= 0 else len(masked)
