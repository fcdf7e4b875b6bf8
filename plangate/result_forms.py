"""The form of a value before there is one: which fields a tool's result can have, by the type that the tool returns.

A form is a list of alternatives (`Kind`), since a result may be one thing or another. Where anything may stand, nothing
can be said: `OPEN` is among them. `plangate.shapes` tells whose words a value is; this tells only what can be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import PydanticUserError, TypeAdapter

MAX_KINDS = 100
"""Alternatives of a form that are told apart; with more it counts as open."""
_WORDS = {"string": "a text", "number": "a number", "integer": "a number", "boolean": "true or false"}


@dataclass(frozen=True)
class Kind:
    """One alternative of a form: a plain value, in words; or by a subclass an object, a list, or anything."""

    words: str = "a plain value"


@dataclass(frozen=True)
class Anything(Kind):
    """A value of which nothing is known."""

    words: str = "anything"


@dataclass(frozen=True)
class Thing(Kind):
    """An object.

    Attributes:
        names: The fields that it is known to have.
        part: The form of a field; None if it can't have one of that name.
    """

    words: str = "an object"
    names: tuple[str, ...] = ()
    part: Callable[[str], Form | None] = lambda name: None


@dataclass(frozen=True)
class Many(Kind):
    """A list, with the form of its elements."""

    words: str = "a list"
    element: Callable[[], Form] = lambda: (OPEN,)


Form = tuple[Kind, ...]
OPEN: Kind = Anything()
NULL: Kind = Kind("null")
PLAIN: Kind = Kind()


def either(forms: Iterable[Form]) -> Form:
    """One of several forms."""
    kinds = tuple(dict.fromkeys(kind for form in forms for kind in form))
    return kinds if 0 < len(kinds) <= MAX_KINDS else (OPEN,)


def list_of(form: Form) -> Many:
    """A list whose elements have a form."""
    return Many(element=lambda: form)


def thing(fields: Mapping[str, Form]) -> Thing:
    """An object with exactly these fields."""
    return Thing(names=tuple(fields), part=fields.get)


def form_of_value(value: Any) -> Form:
    """The form of a JSON value."""
    if isinstance(value, Mapping):
        return (thing({name: form_of_value(each) for name, each in value.items()}),)
    if isinstance(value, list):
        return (list_of(either(map(form_of_value, value))),)
    return (NULL,) if value is None else (PLAIN,)


def form_of_schema(schema: Mapping[str, Any] | None) -> Form:
    """The form that a JSON schema describes; open where it is None or says nothing.

    An object that lists its fields has no others, unless it says so (`additionalProperties`).
    """
    return _Schema(schema or {}).read(schema or {})


def form_of_type(returns: TypeAdapter[Any]) -> Form:
    """The form of what a tool returns; open where its type has no JSON schema."""
    try:
        schemas = [returns.json_schema(mode="serialization", by_alias=by_alias) for by_alias in (False, True)]
    except (PydanticUserError, ValueError):
        return (OPEN,)
    if schemas[0] == schemas[1]:
        return form_of_schema(schemas[0])
    return either(map(form_of_schema, schemas))  # each model says for itself which of its names it writes


class _Schema:
    """One schema, with what it defines."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[int, Form] = {}

    @cached_property
    def _defs(self) -> Mapping[str, Any]:
        return {**self._root.get("definitions", {}), **self._root.get("$defs", {})}

    def read(self, schema: Any) -> Form:
        """Each part is read once, however often it is looked at; what is nothing but a name of itself is open."""
        if not isinstance(schema, Mapping):
            return (OPEN,)
        if id(schema) not in self._known:
            self._known[id(schema)] = (OPEN,)
            self._known[id(schema)] = self._read(schema)
        return self._known[id(schema)]

    def _read(self, schema: Mapping[str, Any]) -> Form:
        if "allOf" in schema:  # what one of them doesn't name, another may
            return (OPEN,)
        if "$ref" in schema:
            return self.read(self._defs.get(str(schema["$ref"]).rpartition("/")[2]))
        if unions := [each for key in ("anyOf", "oneOf") for each in schema.get(key, [])]:
            return either(self.read(each) for each in unions)
        if "const" in schema or "enum" in schema:
            values = schema.get("enum", [schema.get("const")])
            return either(map(form_of_value, values))
        kind = schema.get("type")
        if isinstance(kind, list):
            return either(self._typed(schema, each) for each in kind)
        return self._typed(schema, kind)

    def _typed(self, schema: Mapping[str, Any], kind: Any) -> Form:
        if kind == "null":
            return (NULL,)
        if kind == "object":
            return (self._thing(schema),)
        if kind == "array":
            return (self._many(schema),)
        return (Kind(_WORDS[kind]) if kind in _WORDS else OPEN,)

    def _thing(self, schema: Mapping[str, Any]) -> Kind:
        fields, more = schema.get("properties"), schema.get("additionalProperties")
        if not isinstance(fields, Mapping):
            if more is None or more is True:
                return OPEN
            fields = {}
        patterns = schema.get("patternProperties")

        def part(name: str) -> Form | None:
            if name in fields:
                return self.read(fields[name])
            if more is True or patterns:
                return (OPEN,)
            return self.read(more) if isinstance(more, Mapping) else None

        return Thing(names=tuple(fields), part=part)

    def _many(self, schema: Mapping[str, Any]) -> Kind:
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        parts = [*first] if rest is False or (first and rest is True) else [*first, rest]
        return Many(element=lambda: either(self.read(each) for each in parts) if parts else (OPEN,))
