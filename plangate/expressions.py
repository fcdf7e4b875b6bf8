"""References and conditions: JMESPath over `{input, <step id>: result, item}`. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from plangate.errors import ErrorType, PlangateError

REF = "$ref"
WHOLE = "@"
"""What `roots` reports for an expression that takes the whole scope: its dependencies can't be known."""
MAX_EXPRESSION = 2000
"""Characters of an expression at most."""


class Missing(PlangateError):
    """A reference that leads nowhere."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type=ErrorType.UNRESOLVED_REFERENCE)


def check(expression: str) -> str | None:
    """What is wrong with an expression, or None."""
    if len(expression) > MAX_EXPRESSION:
        return f"longer than {MAX_EXPRESSION} characters"
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        return f"not a JMESPath expression: {str(error).splitlines()[0]}"
    except RecursionError:
        return "nested too deeply"
    return None


def roots(expression: str) -> frozenset[str]:
    """The names in scope that an expression starts from: step ids, `input`, `item`.

    Raises:
        PlangateError: If it isn't JMESPath.
    """
    if problem := check(expression):
        raise PlangateError(f"{expression!r} is {problem}", type=ErrorType.INVALID_PLAN)
    found: set[str] = set()
    _collect(jmespath.compile(expression).parsed, found, top=True)
    return frozenset(found)


def _collect(node: Mapping[str, Any], found: set[str], *, top: bool) -> None:
    """Walk a parsed expression; `top` is true where `@` still is the whole scope."""
    kind, children = node["type"], node.get("children", [])
    if kind == "field":
        if top:
            found.add(node["value"])
    elif kind == "current":
        if top:
            found.add(WHOLE)
    elif kind in ("subexpression", "index_expression", "projection", "value_projection", "filter_projection", "pipe"):
        _collect(children[0], found, top=top)
        for child in children[1:]:
            _collect(child, found, top=False)
    else:  # comparisons, functions, multi-selects, and/or/not: every child sees the same scope
        for child in children:
            if isinstance(child, dict):
                _collect(child, found, top=top)


def references(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every reference inside a value, as `(where, expression)`; a malformed one has the expression `""`."""
    if isinstance(value, dict):
        if REF in value:
            expression = value[REF]
            yield path, expression if len(value) == 1 and isinstance(expression, str) else ""
            return
        for key, child in value.items():
            yield from references(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from references(child, f"{path}[{index}]")


def evaluate(expression: str, scope: Mapping[str, Any]) -> Any:
    """The value of an expression in a scope.

    Raises:
        PlangateError: With type `UnresolvedReference`: a function got a value of a type that it doesn't take.
    """
    try:
        return jmespath.search(expression, scope)
    except JMESPathError as error:
        raise Missing(f"{expression!r} can't be evaluated: {str(error).splitlines()[0]}") from None


def truth(value: Any) -> bool:
    """JMESPath's truth: false are null, false, and the empty string, list and object."""
    return not (value is None or value is False or value in ("", [], {}))


def resolve(value: Any, scope: Mapping[str, Any]) -> Any:
    """A copy of a value with every `{"$ref": …}` replaced by what it refers to.

    Raises:
        PlangateError: With type `UnresolvedReference`, when a reference leads to nothing.
    """
    if isinstance(value, dict):
        if REF in value:
            found = evaluate(value[REF], scope)
            if found is None:
                raise Missing(f"the reference {value[REF]!r} leads to nothing in the results so far")
            return found
        return {key: resolve(child, scope) for key, child in value.items()}
    if isinstance(value, list):
        return [resolve(child, scope) for child in value]
    return value
