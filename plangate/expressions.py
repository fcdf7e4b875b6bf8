"""References and conditions: JMESPath over `{input, <step id>: result, item}`. Pure and deterministic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from plangate.errors import ErrorType, PlangateError

REF = "$ref"
WHOLE = "@"
"""What `roots` reports for an expression that takes the whole scope: its dependencies can't be known."""
MAX_EXPRESSION = 2000
"""Characters of an expression at most."""
MAX_NESTING = 100
"""Levels of a parsed expression at most: evaluation is recursive, and has to end well on any stack."""
_FUNCTIONS = frozenset(Functions.FUNCTION_TABLE)


class Missing(PlangateError):
    """A reference that leads nowhere."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type=ErrorType.UNRESOLVED_REFERENCE)


def check(expression: str) -> str | None:
    """What is wrong with an expression, or None."""
    if len(expression) > MAX_EXPRESSION:
        return f"longer than {MAX_EXPRESSION} characters"
    try:
        levels, functions = _survey(jmespath.compile(expression).parsed)
    except JMESPathError as error:
        return f"not a JMESPath expression: {str(error).splitlines()[0]}"
    except RecursionError:
        return "nested too deeply"
    if levels > MAX_NESTING:
        return "nested too deeply"
    if unknown := sorted(functions - _FUNCTIONS):
        return f"not a JMESPath expression: there is no function {unknown[0]}()"
    return None


def _survey(node: Mapping[str, Any]) -> tuple[int, set[str]]:
    """Levels of a parsed expression, and the functions that it calls; found without recursion."""
    levels, functions, row = 0, set(), [node]
    while row:
        levels += 1
        functions |= {each["value"] for each in row if each["type"] == "function_expression"}
        row = [child for parent in row for child in parent.get("children", []) if isinstance(child, dict)]
    return levels, functions


def functions(expression: str) -> frozenset[str]:
    """The functions that an expression calls; none if it isn't JMESPath."""
    return frozenset() if check(expression) else frozenset(_survey(jmespath.compile(expression).parsed)[1])


def literals(expression: str) -> list[Any]:
    """The literals that stand in an expression; none if it isn't JMESPath."""
    if check(expression):
        return []
    found: list[Any] = []
    row = [jmespath.compile(expression).parsed]
    while row:
        node = row.pop()
        if node["type"] == "literal":
            found.append(node["value"])
        row += [child for child in node.get("children", []) if isinstance(child, dict)]
    return found


def roots(expression: str) -> frozenset[str]:
    """The names in scope that an expression starts from: step ids, `input`, `item`.

    Raises:
        PlangateError: If it isn't JMESPath.
    """
    if problem := check(expression):
        raise PlangateError(f"{expression!r} is {problem}", type=ErrorType.INVALID_PLAN)
    found: set[str] = set()
    _collect(jmespath.compile(expression).parsed, found)
    return frozenset(found)


def _collect(node: Mapping[str, Any], found: set[str]) -> None:
    """Walk the parts of a parsed expression that look at the whole scope."""
    kind, children = node["type"], node.get("children", [])
    if kind == "field":
        found.add(node["value"])
    elif kind in ("current", "identity"):  # `@`, and what `*` and `[…]` apply to when nothing stands before them
        found.add(WHOLE)
    elif kind == "expref":  # `&price`: evaluated for each element of a list, never for the scope
        return
    elif kind in ("subexpression", "index_expression", "projection", "value_projection", "filter_projection", "pipe"):
        _collect(children[0], found)  # the others look at what the first one finds
    else:  # comparisons, functions, multi-selects, and/or/not: every child sees the same scope
        for child in children:
            if isinstance(child, dict):
                _collect(child, found)


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
        PlangateError: With type `UnresolvedReference`: a function got a value of a type that it doesn't take, or the
            value isn't JSON (`to_number('nan')`, a sum that is too large).
    """
    try:
        found = jmespath.search(expression, scope)
        json.dumps(found, allow_nan=False)
    except Exception as error:  # noqa: BLE001 - jmespath lets Python's own errors through; the expression is to blame
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise Missing(f"{expression!r} can't be evaluated: {why}") from None
    return found


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
            if len(value) > 1 or not isinstance(value[REF], str):
                raise Missing('a reference is an object {"$ref": "<JMESPath>"} and no more')
            found = evaluate(value[REF], scope)
            if found is None:
                raise Missing(f"the reference {value[REF]!r} leads to nothing in the results so far")
            return found
        return {key: resolve(child, scope) for key, child in value.items()}
    if isinstance(value, list):
        return [resolve(child, scope) for child in value]
    return value
