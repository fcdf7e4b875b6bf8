"""Results, shortened until a prompt fits its budget of tokens. Results are shortened, never the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from activities.models.errors import application_error
from activities.models.tokens import fits
from activities.prompts.sections import dumps
from plangate.errors import ErrorType

RESULT_CHARACTERS = 8000
"""Of one step's result as JSON."""
LEAST_CHARACTERS = 125
"""A result isn't shortened further than this."""


def fitting(make: Callable[[Mapping[str, Any]], str], results: Mapping[str, Any], *, used: str, tokens: int) -> str:
    """The message made with results as long as the budget allows: each is halved until all fit.

    Args:
        make: Makes the message with the shortened results.
        results: By step id.
        used: The instructions, which count too.
        tokens: Budget of the whole prompt.

    Raises:
        ApplicationError: With type `InvalidInput`, when it doesn't fit even with the shortest results.
    """
    limit = RESULT_CHARACTERS
    while True:
        message = make({step: shorten(value, limit) for step, value in results.items()})
        if fits(used + message, tokens):
            return message
        if limit <= LEAST_CHARACTERS or not results:
            break
        limit //= 2
    raise application_error(
        ErrorType.INVALID_INPUT,
        f"the prompt is longer than {tokens:,} tokens even with every result shortened: "
        "shorten the request, its input or the scope file, or raise PLANGATE_MODEL_PROMPT_TOKENS",
    )


def shorten(value: Any, limit: int) -> Any:
    """A copy of a JSON value whose text has about so many characters, with a marker wherever something is left out."""
    text = dumps(value)
    if len(text) <= limit:
        return value
    if isinstance(value, list) and limit >= LEAST_CHARACTERS:
        return _shorten_list(value, limit)
    if isinstance(value, dict) and len(value) * LEAST_CHARACTERS <= limit * 2:
        return _shorten_object(value, limit)
    plain = value if isinstance(value, str) else text
    return f"{plain[: max(limit, 20)]}… [shortened: {len(plain):,} characters]"


def _shorten_list(values: list[Any], limit: int) -> list[Any]:
    kept: list[Any] = []
    room = limit
    for value in values:
        entry = value if kept else shorten(value, room)
        room -= len(dumps(entry))
        if room < 0 and kept:
            break
        kept.append(entry)
    left = len(values) - len(kept)
    return [*kept, f"… [shortened: {left:,} more of {len(values):,}]"] if left else kept


def _shorten_object(values: dict[str, Any], limit: int) -> dict[str, Any]:
    """Short fields stay whole; the long ones share what room is left."""
    short: dict[str, Any] = {}
    room = limit
    by_size = sorted(values, key=lambda name: len(dumps(values[name])))
    for position, name in enumerate(by_size):
        share = max(room // (len(by_size) - position), 20)
        short[name] = shorten(values[name], share)
        room -= len(dumps(short[name])) + len(name)
    return {name: short[name] for name in values}
