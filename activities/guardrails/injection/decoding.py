"""Finds what is encoded in a text: Base64, hexadecimal, percent and Unicode escapes, HTML entities.

Each encoding says in which rows of characters its pieces stand, so that its pattern isn't tried elsewhere. No pattern
looks at a character more than a few times, however long the text is: what leads up to an escape is taken whole or not
at all (`*+`), and only from its beginning.
"""

from __future__ import annotations

import binascii
import html
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from activities.guardrails.injection.runs import Runs, shape

MOST = 40
"""Pieces decoded of one text at most."""
_HEX_SIGNS = re.compile(r"0x|\\x|[ :,-]")
_BROKEN = "\ufffd"
_NO_LETTERS = bytes(byte for byte in range(256) if not (chr(byte).isalpha() or chr(byte).isspace()))
"""Of ASCII."""
_HEX_DIGITS, _ALNUM, _BEYOND = string.hexdigits, string.ascii_letters + string.digits, "?"
_SPACES = "".join(filter(str.isspace, map(chr, range(128))))


@dataclass(frozen=True)
class Encoding:
    """One encoding.

    Attributes:
        name: As people read it.
        runs: Rows of characters in which a piece stands as a whole.
        pattern: A piece.
        decode: What stands in a piece; empty when it is none.
        sign: What every piece has, where there is such.
        times: How often at least.
    """

    name: str
    runs: Runs
    pattern: re.Pattern[str]
    decode: Callable[[str], str]
    sign: str = ""
    times: int = 1

    def pieces(self, text: str, shaped: bytes) -> Iterator[str]:
        """What may be encoded in a text, piece by piece."""
        if self.sign and text.count(self.sign) < self.times:
            return
        if span := self.runs.span(shaped):
            for found in self.pattern.finditer(text, span[0], span[1] + _BEHIND):
                yield found[0]


_BEHIND = 3
"""Characters behind the last row that a pattern may look at: two signs of filling, and what may not follow."""


def decoded(text: str) -> Iterator[tuple[str, str]]:
    """Name of the encoding, and the text in it, for each encoded piece that is a text."""
    shaped = shape(text)
    count = 0
    for encoding in ENCODINGS:
        for piece in encoding.pieces(text, shaped):
            plain = encoding.decode(piece)
            if _is_text(plain):
                yield encoding.name, plain
                count += 1
                if count >= MOST:
                    return


def _base64(piece: str) -> str:
    if piece.isalpha() and (piece.islower() or piece.isupper()):
        return ""  # a long word
    data = piece.rstrip("=").replace("-", "+").replace("_", "/")
    return binascii.a2b_base64(data + "=" * (-len(data) % 4)).decode("utf-8", "replace")


def _hex(piece: str) -> str:
    digits = _HEX_SIGNS.sub("", piece)
    return bytes.fromhex(digits).decode("utf-8", "replace") if len(digits) % 2 == 0 else ""


def _escapes(piece: str) -> str:
    return "".join(chr(int(each, 16)) for each in re.findall(r"\\u([0-9a-fA-F]{4})", piece))


def _binary(piece: str) -> str:
    return bytes(int(each, 2) for each in re.findall("[01]{8}", piece)).decode("utf-8", "replace")


def _is_text(text: str) -> bool:
    """Whether it is mostly letters, and nothing in it is broken."""
    if len(text) < 6 or _BROKEN in text:
        return False
    if text.isascii():
        letters = len(text.encode().translate(None, _NO_LETTERS))
    else:
        letters = sum(map(str.isalpha, text)) + sum(map(str.isspace, text))
    return letters * 10 >= len(text) * (7 if text.isprintable() else 8)


ENCODINGS = (
    Encoding(
        "base64",
        Runs(_ALNUM + "+/_-", 16),
        re.compile(r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{4}){4,}(?:[A-Za-z0-9+/_-]{2,3}={0,2})?(?![A-Za-z0-9+/])"),
        _base64,
    ),
    Encoding(
        "hexadecimal",
        Runs(_HEX_DIGITS + "x\\ :,-", 20),
        re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :,-]?){10,}(?![0-9A-Za-z])"),
        _hex,
    ),
    Encoding(
        "percent escapes",
        Runs(_ALNUM + "_.+-%" + _BEYOND, 9),
        re.compile(r"(?<![\w.+-])(?:[\w.+-]*+%[0-9A-Fa-f]{2}){3,}[\w.+%-]*"),
        unquote,
        sign="%",
        times=3,
    ),
    Encoding(
        "HTML entities",
        Runs(_HEX_DIGITS + "&#x;" + _SPACES + _BEYOND, 20),
        re.compile(r"(?:&#x?[0-9A-Fa-f]{2,5};\s?){4,}"),
        html.unescape,
        sign="&#",
        times=4,
    ),
    Encoding(
        "HTML entities",
        Runs(_ALNUM + "_&;" + _BEYOND, 16),
        re.compile(r"(?<!\w)(?:\w*+&[a-z]{2,6};){4,}"),
        html.unescape,
        sign="&",
        times=4,
    ),
    Encoding(
        "Unicode escapes",
        Runs(_HEX_DIGITS + "\\u", 24),
        re.compile(r"(?:\\u[0-9a-fA-F]{4}){4,}"),
        _escapes,
        sign="\\u",
    ),
    Encoding("binary", Runs("01 ", 40), re.compile(r"(?<!\d)(?:[01]{8} ?){5,}(?!\d)"), _binary),
)
