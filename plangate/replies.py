"""Answers of external APIs against what a tool relies on: what no longer fits, and what is new, in words.

The words name fields and kinds of values, never values: they enter errors, history and what planners read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, PydanticUserError, ValidationError
from pydantic_core import ErrorDetails

from plangate.errors import ErrorType, PlangateError

MAX_DIFFERENCES = 10
"""Differences of one kind told of one answer."""
_PLAIN_NAME = re.compile(r"[A-Za-z_$@][\w.$@-]{0,59}", re.ASCII)
_MAX_DEPTH = 20
M = TypeVar("M", bound=BaseModel)
Schema = Mapping[str, Any]


class DifferenceKind(StrEnum):
    """What a difference means for the tool."""

    DRIFT = "drift"
    """The answer no longer fits."""
    ADDITION = "addition"
    """The answer holds more than the tool knows; it fits."""


@dataclass(frozen=True)
class Difference:
    """One difference between an answer and its model."""

    kind: DifferenceKind
    what: str


class ResponseDrift(PlangateError):
    """The far side answered, in a shape that the tool doesn't know.

    Args:
        model: Name of the model that the answer no longer fits.
        differences: What differs, in words, additions too.
        sent: Whether the call may have had its effect when the answer came.
    """

    def __init__(self, model: str, differences: Sequence[Difference], *, sent: bool = True) -> None:
        told = [each.what for each in differences]
        super().__init__(
            f"the answer doesn't fit {model} any more: {'; '.join(told)}", type=ErrorType.RESPONSE_DRIFT, details=told
        )
        self.sent = sent


def compared(model: type[M], body: Any) -> tuple[M | None, list[Difference]]:
    """An answer as its model, None when it doesn't fit; and the differences.

    Types count as they are in JSON: the text `"62.00"` is no number for a field of type `float`.

    Args:
        model: What the tool relies on.
        body: Parsed JSON.

    Raises:
        TypeError: The body isn't parsed JSON, but for example the response itself.
    """
    schema = _schema(model)
    found = [Difference(DifferenceKind.ADDITION, f"new: `{path}`") for path in _additions(schema, schema, body)]
    try:
        return model.model_validate_json(json.dumps(body), strict=True), found
    except ValidationError as error:
        told = dict.fromkeys(_told(schema, body, error.errors(include_url=False, include_context=False)))
        return None, [*(Difference(DifferenceKind.DRIFT, what) for what in _few(list(told))), *found]


def _few(told: list[str]) -> list[str]:
    more = len(told) - MAX_DIFFERENCES
    return [*told[:MAX_DIFFERENCES], f"and {more} more"] if more > 0 else told


# --- what no longer fits ---

_EXPECTED = {
    "string": "text", "int": "a whole number", "float": "a number", "decimal": "a number", "bool": "true or false",
    "list": "a list", "tuple": "a list", "set": "a list", "frozen_set": "a list", "dict": "an object",
    "model": "an object", "model_attributes": "an object", "dataclass": "an object", "none_required": "null",
    "date": "a date", "datetime": "a date and time", "time": "a time of day", "time_delta": "a duration",
    "uuid": "an identifier", "url": "an address",
}  # fmt: skip
"""Starts of pydantic's names of errors, and what was expected."""


def _told(schema: Schema, body: Any, errors: Sequence[ErrorDetails]) -> Iterator[str]:
    """Each field that doesn't fit, once, however many types it could have had."""
    fields: dict[str, tuple[Any, list[str]]] = {}
    for error in errors:
        path, value = _at(schema, body, error)
        fields.setdefault(path, (value, []))[1].append(error["type"])
    for path, (value, types) in fields.items():
        name = f"`{path}`" if path else "the answer"
        if "missing" in types:
            yield f"{name} is missing"
        elif "extra_forbidden" in types:
            yield f"{name} is new, which its model forbids"
        else:
            yield f"{name} is {_changed(value, types)}"


def _changed(value: Any, types: Sequence[str]) -> str:
    now, expected = _word(value), list(dict.fromkeys(filter(None, map(_expected, types))))
    if expected and now not in expected:
        return f"now {now}, it was {' or '.join(expected)}"
    if {"literal_error", "enum"} & set(types):
        return "none of the choices that are known"
    return f"{now} of another form"


def _expected(type_: str) -> str | None:
    """What an error says was expected; None when the kind of value was right."""
    start, _, end = type_.rpartition("_")
    if type_ == "none_required":
        return "null"
    return _EXPECTED.get(start) if end == "type" else None


def _word(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "an object"


def _at(schema: Schema, body: Any, error: ErrorDetails) -> tuple[str, Any]:
    """The path of an error in the answer, and the value there. Parts that name a branch of a union are left out."""
    node, schemas, path = body, _options(schema, schema), ""
    for part in error["loc"]:
        inside = part in node if isinstance(node, dict) else isinstance(node, list) and part in range(len(node))
        if not inside and (error["type"] != "missing" or part != error["loc"][-1]):
            continue
        inner = node[part] if inside else None
        path, schemas = _step(schema, schemas, path, part, new=error["type"] == "extra_forbidden")
        node = inner
    return path, node


def _step(
    root: Schema, schemas: list[Schema], path: str, part: int | str, *, new: bool = False
) -> tuple[str, list[Schema]]:
    """Go down by one; a key that no model declares may be somebody's data, and is shown as `*`."""
    if isinstance(part, int):
        items = [each["items"] for each in schemas if isinstance(each.get("items"), dict)]
        items += [each["prefixItems"][part] for each in schemas if part < len(each.get("prefixItems", ()))]
        return f"{path}[]", [option for each in items for option in _options(root, each)]
    known = [each["properties"][part] for each in schemas if part in each.get("properties", {})]
    free = [] if known else [each["additionalProperties"] for each in schemas if _is_free(each)]
    shown = part if known else _shown(part) if new else "*"
    below = [each for each in known + free if isinstance(each, dict)]
    return f"{path}.{shown}" if path else shown, [option for each in below for option in _options(root, each)]


def _shown(name: str) -> str:
    """A new field's name, if it looks like one: it is the far side's text."""
    return name if _PLAIN_NAME.fullmatch(name) else "(an odd name)"


# --- what is new ---


def _additions(root: Schema, schema: Schema, body: Any) -> list[str]:
    found: dict[str, None] = {}
    _look(root, _options(root, schema), body, "", found, _MAX_DEPTH)
    return list(found)


def _look(root: Schema, schemas: list[Schema], body: Any, path: str, found: dict[str, None], depth: int) -> None:
    if not depth or len(found) >= MAX_DIFFERENCES:
        return
    if isinstance(body, list):
        for number, item in enumerate(body):
            inner, below = _step(root, schemas, path, number)
            if not below:
                return
            _look(root, below, item, inner, found, depth - 1)
    objects = [each for each in schemas if "properties" in each or _is_free(each)]
    if not isinstance(body, dict) or not objects:
        return
    closed = not any(_is_free(each) or each.get("additionalProperties") is False for each in objects)
    for name, value in body.items():
        known = any(name in each.get("properties", {}) for each in objects)
        if not known and closed and len(found) < MAX_DIFFERENCES:
            found[f"{path}.{_shown(name)}" if path else _shown(name)] = None
        inner, below = _step(root, schemas, path, name)
        if below:
            _look(root, below, value, inner, found, depth - 1)


def _is_free(schema: Schema) -> bool:
    """Whether an object may have any keys."""
    return bool(schema.get("additionalProperties"))


def _options(root: Schema, schema: Schema, depth: int = 8) -> list[Schema]:
    """A schema without references and unions: what a value may be."""
    if "$ref" in schema and depth:
        return _options(root, root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {}), depth - 1)
    inner = [each for name in ("anyOf", "oneOf", "allOf") for each in schema.get(name, ())]
    if inner and depth:
        return [option for each in inner for option in _options(root, each, depth - 1)]
    return [schema]


@lru_cache(maxsize=256)
def _schema(model: type[BaseModel]) -> Schema:
    """The model's JSON schema; empty when it has none, and then no field is known by name."""
    try:
        return model.model_json_schema(mode="validation")
    except (PydanticUserError, ValueError):
        return {}
