"""The shape of a tool's result, by its JSON schema: which values can be relied on, and whose words the others are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from plangate.provenance import Origin, Source, Trust

MAX_DEPTH = 12
"""Levels of a result's schema that are told apart; what lies deeper counts as untrusted."""

MAX_LEAVES = 200

_SCALARS = frozenset({"number", "integer", "boolean", "null"})

_FORMATS = frozenset({"date", "date-time", "time", "duration", "uuid", "ipv4", "ipv6"})

_ORIGINS = {Trust.DOCUMENT: Origin.DOCUMENT, Trust.WEB: Origin.WEB}


@dataclass(frozen=True)
class Shape:
    """What is known of a value. One of: a leaf (`source`), an object, a list, or one of several (`either`)."""

    source: Source = field(default=Source(origin=Origin.UNKNOWN, trusted=False))
    """Of a leaf; and of fields that an object isn't known to have."""
    fields: Mapping[str, Shape] | None = None
    items: Shape | None = None
    either: tuple[Shape, ...] = ()
    decided: tuple[Source, ...] = ()
    """Text of others that decides how many elements a list has."""

    def variants(self) -> Iterator[Shape]:
        """The shape without unions."""
        if not self.either:
            yield self
        for each in self.either:
            yield from each.variants()

    def leaves(self) -> list[Source]:
        """The sources of everything inside."""
        found: dict[Source, None] = {}
        row = [self]
        while row and len(found) < MAX_LEAVES:
            shape = row.pop()
            found |= {source.model_copy(update={"decides": True}): None for source in shape.decided}
            inner = [*shape.either, *(shape.fields or {}).values(), *([shape.items] if shape.items else [])]
            if not inner:
                found[shape.source] = None
            row += reversed(inner)
        if row:
            found[Source(origin=Origin.UNKNOWN, trusted=False, path="too many fields")] = None
        return list(found)

    def mapped(self, distrust: bool) -> Shape:
        """The same, with nothing in it trusted if `distrust`."""
        if not distrust:
            return self
        return Shape(
            source=self.source.model_copy(update={"trusted": False}),
            fields=None if self.fields is None else {name: each.mapped(True) for name, each in self.fields.items()},
            items=None if self.items is None else self.items.mapped(True),
            either=tuple(each.mapped(True) for each in self.either),
            decided=self.decided,
        )

    def counted_by(self) -> tuple[Source, ...]:
        """The text of others that decides how many elements it has, or whether it is there at all."""
        found: dict[Source, None] = {}
        for each in self.variants():
            whole = each.fields is None and each.items is None and not each.source.trusted
            found |= dict.fromkeys((*each.decided, *([each.source] if whole else [])))
        return tuple(found)


def leaf(source: Source) -> Shape:
    """A value without parts."""
    return Shape(source=source)


def shape_of(schema: Mapping[str, Any] | None, returns: Mapping[str, Trust], *, tool: str, root: str) -> Shape:
    """The shape of a tool's result.

    Args:
        schema: JSON schema of the result; None if it has none that can be described.
        returns: What the tool's author says: `*` for all of it, or the dotted path of a field.
        tool: The tool's name.
        root: The id of the step whose result it is: where its paths begin.
    """
    return _Reader(schema or {}, returns, tool).read(schema or {}, "", root, 0)


class _Reader:
    def __init__(self, schema: Mapping[str, Any], returns: Mapping[str, Trust], tool: str) -> None:
        self._defs = schema.get("$defs", {})
        self._returns, self._tool = returns, tool
        self._default = returns.get("*", Trust.UNTRUSTED)

    def read(self, schema: Any, place: str, path: str, depth: int) -> Shape:
        """The shape of a part: `place` is its dotted name in `returns`, `path` its JMESPath expression."""
        said = self._said(place)
        if said is not None:
            return leaf(self._source(path, said, vouched=True))
        unknown = self._source(path, self._default, vouched=False)
        if depth > MAX_DEPTH or not isinstance(schema, Mapping):
            return leaf(unknown)
        if "$ref" in schema:
            return self.read(self._defs.get(str(schema["$ref"]).rpartition("/")[2]), place, path, depth + 1)
        unions = [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, [])]
        if unions:
            return Shape(unknown, either=tuple(self.read(each, place, path, depth + 1) for each in unions))
        if schema.get("type") == "object" and isinstance(schema.get("properties"), Mapping):
            fields = {
                name: self.read(each, f"{place}.{name}" if place else name, f"{path}.{quoted(name)}", depth + 1)
                for name, each in schema["properties"].items()
            }
            return Shape(unknown, fields=fields)
        if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
            many = self._source(path, self._default, vouched=True)
            items = self.read(schema["items"], place, f"{path}[]", depth + 1)
            return Shape(unknown, items=items, decided=() if many.trusted else (many,))
        return leaf(self._source(path, self._default, vouched=constrained(schema)))

    def _said(self, place: str) -> Trust | None:
        """What the author says of just this field. A field named so is vouched for as a whole."""
        return self._returns.get(place) if place else None

    def _source(self, path: str, trust: Trust, *, vouched: bool) -> Source:
        trusted = trust is Trust.TRUSTED and vouched
        return Source(origin=_ORIGINS.get(trust, Origin.TOOL), trusted=trusted, tool=self._tool, path=path)


def quoted(name: str) -> str:
    """A field's name as JMESPath writes it."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f'"{name}"'


def constrained(schema: Mapping[str, Any]) -> bool:
    """Whether a value of this schema can't hold free text: a number, a choice, a date, a pattern without spaces."""
    if "enum" in schema or "const" in schema:
        return True
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds or []
    if not kinds:
        return False
    texts = schema.get("format") in _FORMATS or without_spaces(str(schema.get("pattern", "")))
    return all(kind in _SCALARS or (kind == "string" and texts) for kind in kinds)


def without_spaces(pattern: str) -> bool:
    """Whether a pattern is anchored at both ends and lets no white space through. What isn't clear counts as no."""
    if not (pattern.startswith("^") and pattern.endswith("$")) or pattern.endswith("\\$"):
        return False
    body, depth, index = pattern[1:-1], 0, 0
    while index < len(body):
        char = body[index]
        if char == "[":
            end = _class_end(body, index)
            if end is None or not _class_is_tight(body[index + 1 : end]):
                return False
            index = end
        elif char == "\\":
            index += 1
            if index >= len(body) or (body[index].isalnum() and body[index] not in "dwS"):
                return False
        elif char == "(":
            depth += 1
            if body.startswith("(?", index) and not body.startswith("(?:", index):
                return False
        elif char == ")":
            depth -= 1
        elif char.isspace() or char in ".^$" or (char == "|" and depth == 0):
            return False
        index += 1
    return True


def _class_end(body: str, start: int) -> int | None:
    index = start + (2 if body.startswith("[^", start) else 1) + 1
    while index < len(body):
        if body[index] == "]" and body[index - 1] != "\\":
            return index
        index += 1
    return None


def _class_is_tight(inside: str) -> bool:
    if inside.startswith("^"):
        return "\\s" in inside
    loose = re.search(r"\\[sWD]|\s|\\[tnrfvux0]", inside)
    ranges = re.findall(r"(?<!\\)(.)-(.)", inside)
    return loose is None and all(low > " " for low, _ in ranges)
