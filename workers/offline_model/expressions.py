"""Expressions of `offline.yaml`: JMESPath with a few functions for texts, and `{{ … }}` placeholders in texts.

The functions exist in the rules only: a finished plan contains plain JMESPath, since the workflow evaluates it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError

from plangate.expressions import truth

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}


class ExpressionError(Exception):
    """An expression that can't be compiled or evaluated; the message names it."""


class _Functions(functions.Functions):
    """What the rules can call besides JMESPath's own functions."""

    @functions.signature({"types": ["number", "string", "null"]}, {"types": ["string", "null"]})
    def _func_money(self, amount: Any, currency: str | None) -> str | None:
        """`money(62.5, 'GBP')` is `£62.50`."""
        try:
            figure = f"{Decimal(str(amount)):,.2f}"
        except InvalidOperation:
            return None
        sign = _SIGNS.get(currency or "", "")
        return sign + figure if sign else f"{figure} {currency or ''}".rstrip()

    @functions.signature({"types": ["string", "null"]})
    def _func_day(self, text: str | None) -> str | None:
        """`day('2026-11-20')` is `20 November 2026`; a time of day is left out."""
        try:
            when = date.fromisoformat((text or "")[:10])
        except ValueError:
            return None
        return f"{when.day} {when:%B %Y}"

    @functions.signature({"types": ["string", "null"]}, {"types": ["string", "null"]})
    def _func_before(self, first: str | None, second: str | None) -> bool:
        """Whether one ISO date is before another; false when one is missing."""
        return bool(first and second and first[:10] < second[:10])

    @functions.signature({"types": ["array", "null"]})
    def _func_and(self, items: list[Any] | None) -> str | None:
        """`and(['a', 'b', 'c'])` is `a, b and c`; nothing for an empty list."""
        return _listing(items) if items else None

    @functions.signature({"types": ["number", "null"]}, {"types": ["string"]}, {"types": ["string"]})
    def _func_count(self, number: float | None, one: str, many: str) -> str | None:
        """`count(2, 'order', 'orders')` is `2 orders`."""
        return None if number is None else f"{number:g} {one if number == 1 else many}"

    @functions.signature({"types": ["string", "null"]})
    def _func_first_name(self, name: str | None) -> str | None:
        """The first word of a name."""
        return name.split()[0] if name and name.split() else None

    @functions.signature({"types": ["array", "null"]}, {"types": []})
    def _func_without(self, items: list[Any] | None, item: Any) -> list[Any]:
        """`without(['a', 'b'], 'a')` is `['b']`."""
        return [entry for entry in items or [] if entry != item]

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]}, {"types": []})
    def _func_where_not(self, items: list[Any] | None, name: str, value: Any) -> list[Any]:
        """`where_not(orders, 'email', me)`: the objects whose field has another value (a filter can't see `me`)."""
        return [item for item in items or [] if isinstance(item, dict) and item.get(name) != value]

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_after(self, text: str | None, mark: str) -> str | None:
        """`after('rejected by Ada: too much', ': ')` is `too much`; nothing when the mark isn't there."""
        _, found, rest = (text or "").partition(mark)
        return rest if found and rest else None

    @functions.signature({"types": ["string", "null"]})
    def _func_lower(self, text: str | None) -> str | None:
        """The text in lower case."""
        return text.lower() if text else None

    @functions.signature({"types": ["string", "null"]})
    def _func_sentence(self, text: str | None) -> str | None:
        """The text with a capital at its start and a full stop at its end."""
        text = (text or "").strip()
        if not text:
            return None
        return text[0].upper() + text[1:] + ("" if text[-1] in ".!?…" else ".")

    @functions.signature({"types": []})
    def _func_literal(self, value: Any) -> str:
        """A JMESPath literal of a value, to be put into an expression of the plan: quotes can't break out of it."""
        return "`" + json.dumps(value).replace("`", "\\u0060") + "`"


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def problem_of(expression: str) -> str | None:
    """What is wrong with an expression of the rules, or None."""
    try:
        compiled = jmespath.compile(expression)
    except (JMESPathError, RecursionError) as error:
        return f"{expression!r} is not a JMESPath expression: {str(error).splitlines()[0]}"
    for name in _called(compiled.parsed):
        if name not in _Functions.FUNCTION_TABLE:
            return f"{expression!r} calls {name!r}, which is no function"
    return None


def _called(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node.get("children", []):
        if isinstance(child, dict):
            yield from _called(child)


def value_of(expression: str, scope: Mapping[str, Any]) -> Any:
    """The value of an expression.

    Raises:
        ExpressionError: A function got what it doesn't take.
    """
    try:
        return jmespath.search(expression, scope, options=_OPTIONS)
    except JMESPathError as error:
        raise ExpressionError(f"{expression!r}: {str(error).splitlines()[0]}") from None


def quiet_value(expression: str, scope: Mapping[str, Any]) -> Any:
    """The same, with None for what can't be evaluated: things that aren't there."""
    try:
        return value_of(expression, scope)
    except ExpressionError:
        return None


def holds(condition: str | None, scope: Mapping[str, Any]) -> bool:
    """Whether a condition is true; no condition is. One about things that aren't there is false."""
    return condition is None or truth(quiet_value(condition, scope))


def placeholders(text: str) -> list[str]:
    """The expressions of a text's placeholders."""
    return [match.group(1).strip() for match in PLACEHOLDER.finditer(text)]


def fill_text(text: str, scope: Mapping[str, Any]) -> str | None:
    """A text with its placeholders filled, or None when one of them finds nothing."""
    parts: list[str] = []
    position = 0
    for match in PLACEHOLDER.finditer(text):
        value = quiet_value(match.group(1).strip(), scope)
        if value is None or value == "":
            return None
        parts += [text[position : match.start()], _in_words(value)]
        position = match.end()
    return "".join([*parts, text[position:]])


def fill(template: Any, scope: Mapping[str, Any]) -> Any:
    """A copy of a template with all placeholders filled.

    A text that is one placeholder becomes its value, whatever its type. What finds nothing becomes None and is left
    out of objects and lists.
    """
    if isinstance(template, str):
        alone = PLACEHOLDER.match(template)
        if alone is None or alone.end() != len(template):
            return fill_text(template, scope)
        return quiet_value(alone.group(1).strip(), scope)
    if isinstance(template, dict):
        filled = {key: fill(value, scope) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list):
        return [value for value in (fill(item, scope) for item in template) if value is not None]
    return template


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}".removesuffix(".00")
    if isinstance(value, list):
        return _listing(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listing(items: list[Any]) -> str:
    words = [_in_words(item) for item in items]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
