"""Finds what is encoded in a text: Base64, hexadecimal, percent and Unicode escapes, HTML entities."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

MOST = 40
"""Pieces decoded of one text at most."""
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{4}){4,}(?:[A-Za-z0-9+/_-]{2,3}={0,2})?(?![A-Za-z0-9+/])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :,-]?){10,}(?![0-9A-Za-z])")
_HEX_SIGNS = re.compile(r"0x|\\x|[ :,-]")
_PERCENT = re.compile(r"(?:[\w.+-]*%[0-9A-Fa-f]{2}){3,}[\w.+%-]*")
_ENTITIES = re.compile(r"(?:&#x?[0-9A-Fa-f]{2,5};\s?){4,}|(?:\w*&[a-z]{2,6};){4,}")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}){4,}")
_BINARY = re.compile(r"(?<!\d)(?:[01]{8} ?){5,}(?!\d)")


def decoded(text: str) -> Iterator[tuple[str, str]]:
    """Name of the encoding, and the text in it, for each encoded piece that is a text."""
    count = 0
    for name, pattern, decode in _DECODERS:
        if not _MAY[name](text):
            continue
        for match in pattern.finditer(text):
            plain = decode(match[0])
            if plain and _is_text(plain):
                yield name, plain
                count += 1
                if count >= MOST:
                    return


def _base64(piece: str) -> str:
    if piece.isalpha() and (piece.islower() or piece.isupper()):
        return ""  # a long word
    data = piece.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _hex(piece: str) -> str:
    digits = _HEX_SIGNS.sub("", piece)
    try:
        return bytes.fromhex(digits).decode()
    except (ValueError, UnicodeDecodeError):
        return ""


def _escapes(piece: str) -> str:
    return "".join(chr(int(each, 16)) for each in re.findall(r"\\u([0-9a-fA-F]{4})", piece))


def _binary(piece: str) -> str:
    return bytes(int(each, 2) for each in re.findall("[01]{8}", piece)).decode("utf-8", "replace")


def _is_text(text: str) -> bool:
    letters = sum(char.isalpha() or char.isspace() for char in text)
    return len(text) >= 6 and "\ufffd" not in text and letters * 10 >= len(text) * (7 if text.isprintable() else 8)


_DECODERS = (
    ("base64", _BASE64, _base64),
    ("hexadecimal", _HEX, _hex),
    ("percent escapes", _PERCENT, unquote),
    ("HTML entities", _ENTITIES, html.unescape),
    ("Unicode escapes", _ESCAPES, _escapes),
    ("binary", _BINARY, _binary),
)
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_-]{16}")
_HEX_RUN = re.compile(
    r"[0-9a-fA-F]{2}[ :,-]?(?:0x|\\x)?[0-9a-fA-F]{2}[ :,-]?(?:0x|\\x)?[0-9a-fA-F]{2}[ :,-]?(?:0x|\\x)?[0-9a-f]{2}"
)
_MAY: dict[str, Callable[[str], bool]] = {
    "base64": lambda text: _LONG_RUN.search(text) is not None,
    "hexadecimal": lambda text: _HEX_RUN.search(text) is not None,
    "percent escapes": lambda text: text.count("%") >= 3,
    "HTML entities": lambda text: text.count("&") >= 4,
    "Unicode escapes": lambda text: "\\u" in text,
    "binary": lambda text: "0" in text and "1" in text,
}
