"""Follows references to the fields that they read: which parts of which results an expression's value comes from.

A `Shape` is what is known of a value before there is one: its fields, its elements, and at its leaves the source and
whether it can be trusted. `follow` evaluates a JMESPath expression over shapes instead of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jmespath

from plangate import expressions, strictjson
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
        )


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
                name: self.read(each, f"{place}.{name}" if place else name, f"{path}.{_quoted(name)}", depth + 1)
                for name, each in schema["properties"].items()
            }
            return Shape(unknown, fields=fields)
        if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
            return Shape(unknown, items=self.read(schema["items"], place, f"{path}[]", depth + 1))
        return leaf(self._source(path, self._default, vouched=constrained(schema)))

    def _said(self, place: str) -> Trust | None:
        """What the author says of just this field. A field named so is vouched for as a whole."""
        return self._returns.get(place) if place else None

    def _source(self, path: str, trust: Trust, *, vouched: bool) -> Source:
        trusted = trust is Trust.TRUSTED and vouched
        return Source(origin=_ORIGINS.get(trust, Origin.TOOL), trusted=trusted, tool=self._tool, path=path)


def _quoted(name: str) -> str:
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


@dataclass(frozen=True)
class Followed:
    """What an expression gives, and what it looked at to choose that."""

    shapes: tuple[Shape, ...]
    decided: tuple[Source, ...] = ()

    def sources(self) -> list[Source]:
        """Everything that the value comes from."""
        found = {source: None for shape in self.shapes for source in shape.leaves()}
        found |= {source.model_copy(update={"decides": True}): None for source in self.decided if source not in found}
        return list(found)


def follow(expression: str, scope: Mapping[str, Shape]) -> Followed:
    """Evaluate an expression over shapes; names that the scope doesn't have are untrusted."""
    if expressions.check(expression) is not None:
        return Followed((Shape(),))
    return _follow(jmespath.compile(expression).parsed, (Shape(fields=scope),))


def _follow(node: Mapping[str, Any], at: tuple[Shape, ...]) -> Followed:
    kind, children = node["type"], node.get("children", [])
    if kind == "literal":
        return Followed((leaf(Source(origin=Origin.PLAN, path=strictjson.canonical(node["value"]))),))
    if kind in ("current", "identity"):
        return Followed(at)
    if kind == "field":
        return Followed(tuple(_field(shape, node["value"]) for each in at for shape in each.variants()))
    if kind in ("index", "slice"):
        return Followed(_elements(at) if kind == "index" else at)
    if kind in ("subexpression", "index_expression", "pipe"):
        return _chain(children, at)
    if kind in ("projection", "value_projection", "filter_projection"):
        return _projection(kind, children, at)
    if kind == "flatten":
        inner = _follow(children[0], at)
        return replace(inner, shapes=_lists(_flat(_elements(inner.shapes))))
    if kind == "function_expression":
        return _function(node["value"], children, at)
    if kind == "multi_select_dict":
        parts = {child["value"]: _follow(child["children"][0], at) for child in children}
        fields = {name: Shape(either=part.shapes) for name, part in parts.items()}
        return Followed((Shape(fields=fields),), _all_decided(parts.values()))
    found = [_follow(child, at) for child in children if isinstance(child, dict)]
    shapes = tuple(shape for each in found for shape in each.shapes)
    if kind == "multi_select_list":
        return Followed((Shape(items=Shape(either=shapes)),), _all_decided(found))
    if kind in ("or_expression", "and_expression"):
        chosen_by = tuple(found[0].sources()) if found else ()
        return Followed(shapes, (*chosen_by, *_all_decided(found)))
    return _one_value(found)  # comparisons, not, and whatever may come: of all that went in


def _all_decided(found: Any) -> tuple[Source, ...]:
    return tuple(source for each in found for source in each.decided)


def _one_value(found: Sequence[Followed]) -> Followed:
    """A value computed from all of these."""
    sources = {source: None for each in found for source in each.sources()}
    return Followed(tuple(leaf(source) for source in sources))


def _chain(children: Sequence[Mapping[str, Any]], at: tuple[Shape, ...]) -> Followed:
    decided: tuple[Source, ...] = ()
    for child in children:
        found = _follow(child, at)
        at, decided = found.shapes, (*decided, *found.decided)
    return Followed(at, decided)


def _projection(kind: str, children: Sequence[Mapping[str, Any]], at: tuple[Shape, ...]) -> Followed:
    base = _follow(children[0], at)
    elements = _values(base.shapes) if kind == "value_projection" else _elements(base.shapes)
    decided = base.decided
    if kind == "filter_projection":
        decided = (*decided, *_follow(children[2], elements).sources())
    found = _follow(children[1], elements)
    return Followed(_lists(found.shapes), (*decided, *found.decided))


_WHOLE_LISTS = frozenset({"sort_by", "sort", "reverse", "to_array", "not_null", "merge"})


def _function(name: str, children: Sequence[Mapping[str, Any]], at: tuple[Shape, ...]) -> Followed:
    plain = [_follow(child, at) for child in children if child["type"] != "expref"]
    each = _elements(tuple(shape for found in plain for shape in found.shapes))
    by = [_follow(child["children"][0], each) for child in children if child["type"] == "expref"]
    looked_at = tuple(source for found in by for source in found.sources())
    decided = (*_all_decided(plain), *looked_at)
    shapes = tuple(shape for found in plain for shape in found.shapes)
    if name in _WHOLE_LISTS:
        if name == "to_array":
            return Followed((*shapes, *_lists(shapes)), decided)
        chosen = tuple(source for shape in shapes for source in shape.leaves()) if name in ("sort", "not_null") else ()
        return Followed(shapes, (*decided, *chosen))
    if name in ("max_by", "min_by"):
        return Followed(each, decided)
    if name == "map":
        found = tuple(shape for mapped in by for shape in mapped.shapes)
        return Followed(_lists(found), (*_all_decided(plain), *_all_decided(by)))
    if name == "values":
        return Followed(_lists(_values(shapes)), decided)
    return _one_value([*plain, *by])


def _field(shape: Shape, name: str) -> Shape:
    if shape.fields is not None and name in shape.fields:
        return shape.fields[name]
    source = shape.source
    if source.origin is Origin.PLAN:
        return shape
    return leaf(source.model_copy(update={"path": f"{source.path}.{_quoted(name)}".strip(".")}))


def _elements(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    found = []
    for shape in (one for each in shapes for one in each.variants()):
        found.append(shape.items or (shape if shape.fields is None else leaf(shape.source)))
    return tuple(found)


def _flat(elements: tuple[Shape, ...]) -> tuple[Shape, ...]:
    return tuple(one.items or one for each in elements for one in each.variants())


def _values(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    found: list[Shape] = []
    for shape in (one for each in shapes for one in each.variants()):
        found += shape.fields.values() if shape.fields else [leaf(shape.source)]
    return tuple(found)


def _lists(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    return tuple(Shape(source=shape.source, items=shape) for shape in shapes)
