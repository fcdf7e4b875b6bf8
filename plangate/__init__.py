"""Plangate's vocabulary and pure rules: contracts, plans, policy, errors and the tool author's kit.

Nothing here does I/O, reads a clock or talks to Temporal, so everything is safe to import anywhere,
workflows included. May import: the standard library, pydantic, jmespath, jsonschema.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plangate.compensation import Compensation
    from plangate.credentials import Credential, credential
    from plangate.errors import ErrorType, PlangateError
    from plangate.health_checks import health
    from plangate.replies import ResponseDrift
    from plangate.tool_context import ToolContext, ToolError
    from plangate.tool_policy import Effect, Idempotency
    from plangate.toolkit import tool

__all__ = [
    "Compensation",
    "Credential",
    "Effect",
    "ErrorType",
    "Idempotency",
    "PlangateError",
    "ResponseDrift",
    "ToolContext",
    "ToolError",
    "credential",
    "health",
    "tool",
]

_HOMES = {
    "Compensation": "plangate.compensation",
    "Credential": "plangate.credentials",
    "Effect": "plangate.tool_policy",
    "ErrorType": "plangate.errors",
    "Idempotency": "plangate.tool_policy",
    "PlangateError": "plangate.errors",
    "ResponseDrift": "plangate.replies",
    "ToolContext": "plangate.tool_context",
    "ToolError": "plangate.tool_context",
    "credential": "plangate.credentials",
    "health": "plangate.health_checks",
    "tool": "plangate.toolkit",
}


def __getattr__(name: str) -> Any:
    """Import the author's kit on first use: `plangate --help` doesn't pay for pydantic."""
    if name not in _HOMES:
        raise AttributeError(f"module 'plangate' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
