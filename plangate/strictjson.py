"""JSON that is safe to take from a model and to hash: bounded, finite, without duplicate keys, canonical."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any, NoReturn

from plangate.errors import ErrorType, PlangateError

MAX_BYTES = 1_000_000
"""Bytes of JSON text read from a model at most."""
MAX_DEPTH = 64
"""Levels of nesting at most (the standard parser raises RecursionError near 1,000)."""


def parse(text: str, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """Parse JSON strictly.

    Raises:
        PlangateError: With type `ModelMalformed`: not JSON, too large, too deep, a non-finite number or a
            duplicate key.
    """
    if len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise _malformed(f"the JSON is larger than {max_bytes:,} bytes")
    if _depth(text) > max_depth:
        raise _malformed(f"the JSON is nested deeper than {max_depth} levels")
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique_keys, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise _malformed(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _malformed(f"the JSON is nested deeper than {max_depth} levels") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if "\\u" in text and _half_characters(value):
        raise _malformed("a text has half a character (a lone surrogate such as \\ud800)")
    return value


def _half_characters(value: Any) -> bool:
    """Whether a text has a lone surrogate (`\\ud800`), which no UTF-8 text can hold."""
    if isinstance(value, str):
        return any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return any(_half_characters(name) or _half_characters(item) for name, item in value.items())
    return isinstance(value, list) and any(_half_characters(item) for item in value)


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8, no non-finite numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def size(value: Any) -> int:
    """Bytes of the canonical JSON of a value."""
    return len(canonical(value).encode("utf-8", "surrogatepass"))


def _malformed(why: str) -> PlangateError:
    return PlangateError(why, type=ErrorType.MODEL_MALFORMED)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large for a number")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return seen


def _depth(text: str) -> int:
    depth = deepest = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest
