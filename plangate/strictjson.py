"""JSON that is safe to take from a model and to hash: bounded, finite, without duplicate keys, canonical."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from typing import Any

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
    numbers: list[str] = []

    def note(number: str) -> float:
        numbers.append(number)
        return float(number)

    def finite(number: str) -> float:
        found = float(number)
        return found if math.isfinite(found) else note(number)

    try:
        value = json.loads(text, parse_constant=note, object_pairs_hook=_unique_keys, parse_float=finite)
    except json.JSONDecodeError as error:
        raise _malformed(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _malformed(f"the JSON is nested deeper than {max_depth} levels") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if numbers:
        where = not_finite(value).partition(":")[2]
        named = numbers[0].strip("-") in ("NaN", "Infinity")
        what = "is not a JSON number" if named else "is too large for a number"
        raise _malformed(f"{numbers[0][:40]} {what}{':' * bool(where)}{where}")
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


def not_finite(value: Any, place: str = "") -> str:
    """The first number in a value that JSON doesn't have, and where it stands; empty if there is none.

    Args:
        value: Made of objects, lists, texts and numbers.
        place: Where the value itself stands, for example `input`.

    Returns:
        For example `NaN is not a JSON number: input.items[2].price`.
    """
    row = [(value, place)]
    while row:
        each, at = row.pop()
        if isinstance(each, float) and not math.isfinite(each):
            name = "NaN" if math.isnan(each) else "Infinity" if each > 0 else "-Infinity"
            return f"{name} is not a JSON number{f': {at}' if at else ''}"
        if isinstance(each, dict):
            row += [(item, f"{at}.{name}" if at else str(name)) for name, item in reversed(each.items())]
        elif isinstance(each, (list, tuple)):
            row += [(item, f"{at}[{index}]") for index, item in reversed([*enumerate(each)])]
    return ""


def _malformed(why: str) -> PlangateError:
    return PlangateError(why, type=ErrorType.MODEL_MALFORMED)


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
