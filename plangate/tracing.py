"""Follows references to the fields that they read: which parts of which results an expression's value comes from.

A `Shape` is what is known of a value before there is one: its fields, its elements, and at its leaves the source and
whether it can be trusted. `follow` evaluates a JMESPath expression over shapes instead of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jmespath

from plangate import expressions, strictjson
from plangate.provenance import Origin, Source
from plangate.shapes import Shape, leaf, quoted


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


Literal = Callable[[Any], Source]
"""Where a literal of an expression comes from."""


def _of_plan(value: Any) -> Source:
    return Source(origin=Origin.PLAN, path=strictjson.canonical(value))


def follow(expression: str, scope: Mapping[str, Shape], literal: Literal = _of_plan) -> Followed:
    """Evaluate an expression over shapes; names that the scope doesn't have are untrusted."""
    if expressions.check(expression) is not None:
        return Followed((Shape(),))
    return _follow(jmespath.compile(expression).parsed, (Shape(fields=scope),), literal)


def _follow(node: Mapping[str, Any], at: tuple[Shape, ...], literal: Literal) -> Followed:
    kind, children = node["type"], node.get("children", [])
    if kind == "literal":
        return Followed((leaf(literal(node["value"])),))
    if kind in ("current", "identity"):
        return Followed(at)
    if kind == "field":
        return Followed(tuple(_field(shape, node["value"]) for each in at for shape in each.variants()))
    if kind in ("index", "slice"):
        return Followed(_elements(at) if kind == "index" else at)
    if kind in ("subexpression", "index_expression", "pipe"):
        return _chain(children, at, literal)
    if kind in ("projection", "value_projection", "filter_projection"):
        return _projection(kind, children, at, literal)
    if kind == "flatten":
        inner = _follow(children[0], at, literal)
        elements = _elements(inner.shapes)
        return Followed(_lists(_flat(elements)), (*inner.decided, *_counted(inner.shapes), *_counted(elements)))
    if kind == "function_expression":
        return _function(node["value"], children, at, literal)
    if kind == "multi_select_dict":
        parts = {child["value"]: _follow(child["children"][0], at, literal) for child in children}
        fields = {name: Shape(either=part.shapes) for name, part in parts.items()}
        return Followed((Shape(fields=fields),), (*_counted(at), *_all_decided(parts.values())))
    found = [_follow(child, at, literal) for child in children if isinstance(child, dict)]
    shapes = tuple(shape for each in found for shape in each.shapes)
    if kind == "multi_select_list":
        return Followed((Shape(items=Shape(either=shapes)),), (*_counted(at), *_all_decided(found)))
    if kind in ("or_expression", "and_expression"):
        chosen_by = tuple(found[0].sources()) if found else ()
        return Followed(shapes, (*chosen_by, *_all_decided(found)))
    return _one_value(found)  # comparisons, not, and whatever may come: of all that went in


def _counted(shapes: tuple[Shape, ...]) -> tuple[Source, ...]:
    """Whose text decides how many elements there are: what is made of each of them is as many."""
    return tuple(source for shape in shapes for source in shape.counted_by())


def _all_decided(found: Any) -> tuple[Source, ...]:
    return tuple(source for each in found for source in each.decided)


def _one_value(found: Sequence[Followed]) -> Followed:
    """A value computed from all of these."""
    sources = {source: None for each in found for source in each.sources()}
    return Followed(tuple(leaf(source) for source in sources))


def _chain(children: Sequence[Mapping[str, Any]], at: tuple[Shape, ...], literal: Literal) -> Followed:
    decided: tuple[Source, ...] = ()
    for child in children:
        found = _follow(child, at, literal)
        at, decided = found.shapes, (*decided, *found.decided)
    return Followed(at, decided)


def _projection(kind: str, children: Sequence[Mapping[str, Any]], at: tuple[Shape, ...], literal: Literal) -> Followed:
    base = _follow(children[0], at, literal)
    elements = _values(base.shapes) if kind == "value_projection" else _elements(base.shapes)
    decided = (*base.decided, *_counted(base.shapes))
    if kind == "filter_projection":
        decided = (*decided, *_follow(children[2], elements, literal).sources())
    found = _follow(children[1], elements, literal)
    return Followed(_lists(found.shapes), (*decided, *found.decided))


_WHOLE_LISTS = frozenset({"sort_by", "sort", "reverse", "to_array", "not_null", "merge"})


def _function(name: str, children: Sequence[Mapping[str, Any]], at: tuple[Shape, ...], literal: Literal) -> Followed:
    plain = [_follow(child, at, literal) for child in children if child["type"] != "expref"]
    each = _elements(tuple(shape for found in plain for shape in found.shapes))
    by = [_follow(child["children"][0], each, literal) for child in children if child["type"] == "expref"]
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
        return Followed(_lists(found), (*_counted(shapes), *_all_decided(plain), *_all_decided(by)))
    if name == "values":
        return Followed(_lists(_values(shapes)), (*_counted(shapes), *decided))
    return _one_value([*plain, *by])


def _field(shape: Shape, name: str) -> Shape:
    if shape.fields is not None and name in shape.fields:
        return shape.fields[name]
    source = shape.source
    if source.origin is Origin.PLAN:
        return shape
    return leaf(source.model_copy(update={"path": f"{source.path}.{quoted(name)}".strip(".")}))


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
