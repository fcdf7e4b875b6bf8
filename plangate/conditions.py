"""Conditions in words: why a step was skipped, for people who don't read JMESPath."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jmespath

from plangate import expressions, strictjson

MAX_WORDS = 200
"""Characters of a condition in words; a longer one helps nobody."""
UNMET = "its condition was not met"
_WAS = {
    "eq": ("was {}", "was not {}"),
    "ne": ("was not {}", "was {}"),
    "gt": ("was over {}", "was not over {}"),
    "gte": ("was at least {}", "was not at least {}"),
    "lt": ("was under {}", "was not under {}"),
    "lte": ("was at most {}", "was not at most {}"),
}
"""Comparison → in words when it is true, when it is false. What is not over 100 may be no number at all."""
_SAYS = {
    "contains": ("had {} in it", "did not have {} in it"),
    "starts_with": ("began with {}", "did not begin with {}"),
    "ends_with": ("ended with {}", "did not end with {}"),
}


class _NoWords(Exception):
    """A part that can't be said in a few words."""


def unmet(condition: str) -> str:
    """Why a condition was not met: `refund.amount was not over 100`. One that is too involved isn't put in words."""
    if expressions.check(condition):
        return UNMET
    try:
        words = _said(jmespath.compile(condition).parsed, holds=False)
    except (_NoWords, RecursionError):
        return UNMET
    return words if len(words) <= MAX_WORDS else UNMET


def _said(node: Mapping[str, Any], *, holds: bool) -> str:
    kind, children = node["type"], node.get("children", [])
    if kind == "not_expression":
        return _said(children[0], holds=not holds)
    if kind in ("and_expression", "or_expression"):
        both = (kind == "and_expression") == holds
        parts = [_said(child, holds=holds) for child in children]
        return (" and " if both else ", or ").join(parts)
    if kind == "comparator":
        return _compared(node["value"], children[0], children[1], holds=holds)
    if kind == "function_expression" and node["value"] in _SAYS:
        words = _SAYS[node["value"]][0 if holds else 1]
        return f"{_name(children[0])} {words.format(_value(children[1]))}"
    return f"there was {'a' if holds else 'no'} {_name(node)}"


def _compared(operator: str, left: Mapping[str, Any], right: Mapping[str, Any], *, holds: bool) -> str:
    if left["type"] == "literal" and right["type"] != "literal":
        left, right = right, left
        operator = {"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}.get(operator, operator)
    nothing = right["type"] == "literal" and right["value"] is None
    if nothing and operator in ("eq", "ne"):
        return f"there was {'no' if (operator == 'eq') == holds else 'a'} {_name(left)}"
    words = _WAS[operator][0 if holds else 1]
    return f"{_name(left)} {words.format(_value(right))}"


def _value(node: Mapping[str, Any]) -> str:
    if node["type"] != "literal":
        return _name(node)
    value = node["value"]
    return f"“{value}”" if isinstance(value, str) else strictjson.canonical(value)


def _name(node: Mapping[str, Any]) -> str:
    """A value as the plan names it; only plain paths, and how many there are of something."""
    kind, children = node["type"], node.get("children", [])
    if kind == "field":
        return str(node["value"])
    if kind == "subexpression":
        return ".".join(map(_name, children))
    if kind == "index_expression" and children[1]["type"] == "index":
        return f"{_name(children[0])}[{children[1]['value']}]"
    if kind == "function_expression" and node["value"] == "length":
        return f"the length of {_name(children[0])}"
    raise _NoWords
