"""What the readers of both APIs share: when an answer is of use, and when a stream broke off."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from activities.models.contracts import Reading, Tokens
from activities.models.errors import ModelFailure
from plangate.errors import ErrorType

OnText = Callable[[str], None]
"""Takes the text so far, each time that more of it has come."""


class CutOff(ModelFailure):
    """A stream that ended without its last event."""

    def __init__(self, text: str) -> None:
        super().__init__(ErrorType.NETWORK, f"the stream broke off after {len(text)} characters")


def whole(
    text: str,
    max_bytes: int,
    *,
    refusal: str = "",
    cut: bool = False,
    model: object = None,
    tokens: Tokens | None = None,
) -> Reading:
    """The reading of a finished answer.

    Args:
        text: What the model wrote.
        max_bytes: UTF-8 bytes of it at most.
        refusal: Why the model refused, if it did.
        cut: Whether the limit of output tokens cut it off.
        model: The model that answered.
        tokens: What it used.
    """
    name = model if isinstance(model, str) else ""
    if refusal:
        return Reading("", ErrorType.MODEL_REFUSED, f"the model refused: {refusal[:500]}", name, tokens)
    encoded = text.encode("utf-8", "replace")  # half a surrogate pair can't be stored anywhere
    if len(encoded) > max_bytes:
        return too_large(max_bytes, name, tokens)
    text = encoded.decode()
    if cut:
        why = "the answer was cut off at the limit of output tokens (PLANGATE_MODEL_OUTPUT_TOKENS)"
        return Reading(text, ErrorType.MODEL_MALFORMED, why, name, tokens)
    if not text.strip():
        return Reading("", ErrorType.MODEL_EMPTY, "the model answered nothing", name, tokens)
    return Reading(text, model=name, tokens=tokens)


def too_large(max_bytes: int, model: str = "", tokens: Tokens | None = None) -> Reading:
    """The reading of an answer over the limit; its text is dropped."""
    why = f"the answer is larger than {max_bytes:,} bytes"
    return Reading("", ErrorType.MODEL_MALFORMED, why, model, tokens)


def text_of(parts: Iterable[object]) -> str:
    """The texts among the parts, joined."""
    return "".join(part for part in parts if isinstance(part, str))
