"""Looks into the JSON schemas of tools' arguments: what stands where, and of which type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NUMBERS = frozenset({"number", "integer"})
TYPE_WORDS = {"string": "text", "boolean": "yes or no", "array": "a list", "object": "an object", "null": "nothing"}


def variants(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema without references and unions."""
    if "$ref" in schema:
        yield from variants(root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {}), root)
    elif unions := [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, [])]:
        for each in unions:
            yield from variants(each, root)
    elif isinstance(schema.get("type"), list):
        yield from ({**schema, "type": each} for each in schema["type"])
    else:
        yield schema


def inside(schema: Mapping[str, Any], name: str, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What may stand under a name inside a schema; an empty schema where anything may."""
    for each in variants(schema, root):
        extra = each.get("additionalProperties")
        if name in names_of(each):
            yield each["properties"][name]
        elif isinstance(extra, Mapping):
            yield extra
        elif extra is True or not each.get("type"):
            yield {}


def names_of(schema: Mapping[str, Any]) -> list[str]:
    """The names of an object's fields."""
    return list(schema.get("properties", {}))


def has(names: list[str]) -> str:
    """Which names there are, in words."""
    return f"It has {', '.join(names)}" if names else "It has none"
