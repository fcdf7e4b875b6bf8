"""Token counts, offline."""

from __future__ import annotations

import math
import string
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpe_openai import Encoding

_SIGNS = f"{string.punctuation}{string.digits}".encode()
_BUT_SIGNS, _FOREIGN = bytes(set(range(256)).difference(_SIGNS)), bytes(range(128, 256))
_CHUNK = 100_000
"""Characters counted at once; the tokenizer refuses a million."""
_PART, _SEAM = 2_000, 16
"""Characters of a part, and tokens by which the sum of parts may differ from the whole for each cut."""


def fits(text: str, tokens: int) -> bool:
    """Whether a text has at most so many tokens.

    A token is at least one byte, so a text of no more bytes fits for sure. Only for longer ones is the tokenizer
    loaded: it takes half a second and 130 MB, which most workers then never spend. Parts are counted until what is left
    can't matter any more; a text that comes near the limit is then counted as a whole.
    """
    left = len(text.encode("utf-8", "replace"))
    if left <= tokens:
        return True
    counted = doubt = 0
    for at in range(0, len(text) - _PART, _PART):
        part = text[at : at + _PART]
        counted += count(part)
        left -= len(part.encode("utf-8", "replace"))
        doubt += _SEAM
        if counted + left + doubt <= tokens:
            return True
        if counted - doubt > tokens:
            return False
    return count(text) <= tokens


def estimate(text: str) -> int:
    """About how many tokens a text has, without the tokenizer: within a quarter for prose of any script.

    Letters of ASCII come to 4.4 a token in prose, digits and punctuation to 2, other scripts to 3.6 bytes a token.
    """
    data = text.encode("utf-8", "replace")
    signs = len(data.translate(None, _BUT_SIGNS))
    foreign = len(data) - len(data.translate(None, _FOREIGN))
    plain = len(data) - foreign - signs
    return math.ceil(plain / 4.4 + signs / 2 + foreign / 3.6)


def count(text: str) -> int:
    """Tokens of a text in OpenAI's current encoding; for other providers' models a close estimate."""
    encoding = _encoding()
    return sum(len(encoding.encode_ordinary(text[at : at + _CHUNK])) for at in range(0, len(text), _CHUNK))


@cache
def _encoding() -> Encoding:
    import bpe_openai

    return bpe_openai.get_encoding("o200k_base")
