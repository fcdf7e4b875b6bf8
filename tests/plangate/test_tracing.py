"""Shapes of results, and which texts are free."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from plangate.provenance import Trust
from plangate.shapes import Shape, shape_of, without_spaces
from plangate.tracing import follow


class Part(BaseModel):
    name: str
    price: float


class Whole(BaseModel):
    id: Annotated[str, Field(pattern=r"^[0-9]{4,8}$")]
    state: Literal["sent", "here"]
    on: date | None
    free: str
    any: Any
    parts: list[Part]
    more: dict[str, str]
    inner: Part | None = None


def shape(returns: dict[str, Trust]) -> Shape:
    return shape_of(TypeAdapter(Whole).json_schema(mode="serialization"), returns, tool="t", root="w")


def trusted(expression: str, returns: dict[str, Trust] | None = None) -> bool:
    found = follow(expression, {"w": shape({"*": Trust.TRUSTED} if returns is None else returns)}).sources()
    return bool(found) and all(source.trusted for source in found)


@pytest.mark.parametrize(
    "expression",
    ["w.id", "w.state", "w.on", "w.parts[0].price", "w.parts[*].price", "w.parts[].price | [0]", "w.inner.price",
     "sum(w.parts[].price)", "w.parts[?price > `3`].price", "{a: w.id}.a", "[w.id, w.state][0]", "w.id == '1'",
     "sort_by(w.parts, &price)[0].price", "map(&price, w.parts)[0]", "w.parts[1:].price | [0]", "`7`"],
)  # fmt: skip
def test_what_cannot_hold_words_is_trusted(expression: str) -> None:
    assert trusted(expression)
    assert expression == "`7`" or not trusted(expression, {})
    assert expression == "`7`" or not trusted(expression, {"*": Trust.DOCUMENT})


@pytest.mark.parametrize(
    "expression",
    ["w.free", "w.any", "w.any.x", "w.parts[0].name", "w.parts[0]", "w", "w.more.x", "w.unknown", "keys(w)[0]",
     "w.parts[?name == 'x'].price", "sort_by(w.parts, &name)[0].price", "w.free && w.id", "w.id || w.free",
     "values(w)[0]", "w.*", "{a: w.free}.a", "[w.id, w.free][0]", "length(w.free)", "!w.free",
     "not_null(w.free, w.id)", "other.x", "not (a valid"],
)  # fmt: skip
def test_words_and_what_they_choose_are_not(expression: str) -> None:
    assert not trusted(expression)


def test_a_field_that_is_named_is_as_its_author_says() -> None:
    assert trusted("w.free", {"*": Trust.TRUSTED, "free": Trust.TRUSTED})
    assert trusted("w.parts[0].name", {"parts.name": Trust.TRUSTED})
    assert not trusted("w.id", {"*": Trust.TRUSTED, "id": Trust.WEB})


@pytest.mark.parametrize(
    "pattern", [r"^[0-9]{4,8}$", r"^(#|TP-)?[0-9]+$", r"^[^@\s]+@[^@\s]+\.[a-z]+$", r"^re_\w{16}$", r"^\S+$"]
)
def test_patterns_without_spaces(pattern: str) -> None:
    assert without_spaces(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["", "[0-9]+", "^[0-9]+", "[0-9]+$", "^.*$", "^[^@]+$", "^a|b$", r"^\d+\s\d+$", "^a b$", r"^\W$", r"^[\s\S]+$",
     r"^[ -~]+$", "^(?=a)b$", r"^a\$", r"^[\n]$", "^(?s:x)$", r"^[\x20]$"],
)  # fmt: skip
def test_patterns_that_may_let_words_through(pattern: str) -> None:
    assert not without_spaces(pattern)
