"""Answers whose shape has changed: an API that moved on without saying so."""

from __future__ import annotations

from typing import Any

from plangate.faultplan import FaultRule


def drifted(value: Any, rule: FaultRule) -> Any:
    """A JSON value with one field renamed, of another type, or more.

    Args:
        value: An object; a list drifts in its first item; anything else becomes an object.
        rule: `drift` says how, `field` which field; by default the first.
    """
    if isinstance(value, list) and value:
        return [drifted(value[0], rule), *value[1:]]
    if not isinstance(value, dict) or not value:
        return {"value": value}
    name = rule.field if rule.field in value else next(iter(value))
    match rule.drift:
        case "added":
            return {**value, "api_version": "2"}
        case "retyped":
            return {**value, name: {"value": value[name]}}
    return {f"{key}_v2" if key == name else key: each for key, each in value.items()}
