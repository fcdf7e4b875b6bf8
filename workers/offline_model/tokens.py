"""Token counts, offline: what a current OpenAI tokenizer makes of the texts."""

from __future__ import annotations

from functools import cache
from typing import Any

ENCODING = "o200k_base"
_CHUNK = 100_000
"""Characters counted at once: the tokenizer refuses a million."""
_MESSAGE_OVERHEAD = 4
"""Tokens that a chat format adds for each message, by OpenAI's own counting recipe."""


@cache
def _encoding() -> Any:
    import bpe_openai

    return bpe_openai.get_encoding(ENCODING)


def warm_up() -> None:
    """Load the tokenizer (about 0.1 s), so that the first request doesn't wait for it."""
    count("warm")


def count(text: str) -> int:
    """Tokens of a text."""
    encode = _encoding().encode_ordinary
    return sum(len(encode(text[start : start + _CHUNK])) for start in range(0, len(text), _CHUNK))


def count_messages(texts: list[str]) -> int:
    """Tokens of a conversation as a model reads it."""
    return sum(count(text) + _MESSAGE_OVERHEAD for text in texts)
