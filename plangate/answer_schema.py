"""The shape of an agent's answers, where it declares one: a JSON schema in `agent.yaml`.

answer_schema:
  type: object
  required: [answer]
  additionalProperties: false
  properties:
    answer: {type: string, description: What the customer reads}
    refunded: {type: number}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from plangate import strictjson
from plangate.errors import PlangateError

MAX_BYTES = 16_000
"""Of a schema as JSON: it goes into every prompt for an answer."""
MOST = 5
"""Mistakes of an answer that are told."""


def problem_of(schema: Mapping[str, Any]) -> str:
    """What is wrong with a schema, in words; nothing when it is right."""
    try:
        size = len(json.dumps(schema, allow_nan=False))
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        return f"no JSON schema{f' at {where}' if where else ''}: {error.message[:200]}"
    except (TypeError, ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    if size > MAX_BYTES:
        return f"too large: {size:,} bytes; at most {MAX_BYTES:,}, since it goes into every prompt for an answer"
    if schema.get("type") != "object":
        return "its type has to be 'object', with the answer's fields as properties"
    elsewhere = next((ref for ref in _references(schema) if not ref.startswith("#")), None)
    if elsewhere is not None:
        return f"refers to {elsewhere!r}: only references within it ('#/$defs/...') can be followed"
    return ""


def mistakes_of(schema: Mapping[str, Any], text: str) -> list[str]:
    """What keeps an answer from its shape: where and which rule, never the value, which may be anybody's."""
    try:
        value = strictjson.parse(text)
    except PlangateError as error:
        return [str(error)]
    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda error: [*map(str, error.absolute_path)])
    return [_words(error) for error in errors[:MOST]]


def _words(error: ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the answer"
    rule = str(error.validator)
    if rule == "required" and isinstance(error.instance, Mapping):
        required: Any = error.validator_value
        missing = [name for name in required if name not in error.instance]
        return f"{where}: without {', '.join(map(repr, missing[:MOST]))}"
    if rule in ("type", "enum", "const", "format", "minimum", "maximum", "minLength", "maxLength", "pattern"):
        return f"{where}: {rule} should be {str(error.validator_value)[:100]}"
    return f"{where}: breaks {rule!r}"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name in ("$ref", "$dynamicRef") and isinstance(each, str):
                yield each
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
