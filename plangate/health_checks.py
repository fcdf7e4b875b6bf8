"""Health checks: how an agent folder says what it takes to see that a dependency works.

from plangate import ToolContext, health

@health("payments")
async def payments_answer(ctx: ToolContext) -> None:
    '''Raise what is wrong; return when it works.'''
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from plangate.tool_context import ToolContext

HEALTH_ATTRIBUTE = "__plangate_health__"
HEALTH_SECONDS = 5.0
"""A health check may take so long; then the dependency counts as not healthy."""
F = TypeVar("F", bound=Callable[..., Awaitable[None]])


@dataclass(frozen=True)
class HealthCheck:
    """A health check as its agent folder defines it."""

    dependency: str
    function: Callable[..., Awaitable[None]]
    context_parameter: str | None


def health(dependency: str) -> Callable[[F], F]:
    """Make an async function the health check of a dependency. It reads only, and raises when something is wrong.

    Args:
        dependency: What tools name as their `dependency`.

    Raises:
        TypeError: When the function isn't async, or takes more than a `ToolContext`.
    """

    def decorate(function: F) -> F:
        name = function.__name__
        is_async: bool = inspect.iscoroutinefunction(function)
        if not is_async:
            raise TypeError(f"health check {name!r}: it has to be async")
        hints = typing.get_type_hints(function)
        parameters = list(inspect.signature(function).parameters)
        if len(parameters) > 1 or any(hints.get(each) is not ToolContext for each in parameters):
            raise TypeError(f"health check {name!r}: it takes nothing, or one `ctx: ToolContext`")
        context = parameters[0] if parameters else None
        setattr(function, HEALTH_ATTRIBUTE, HealthCheck(dependency, function, context))
        return function

    return decorate


def check_of(value: Any) -> HealthCheck | None:
    """The health check that a function is."""
    found = getattr(value, HEALTH_ATTRIBUTE, None)
    return found if isinstance(found, HealthCheck) else None
