"""Credentials: how an agent folder says where a secret that expires comes from.

from plangate import Credential, ToolContext, credential

@credential("payments")
async def payments_token(ctx: ToolContext) -> Credential:
    '''Ask for a token.'''
    return Credential(value=..., expires_at=...)

Tools ask for it by its name: `await ctx.credential("payments")`. Only the name is ever in history.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, field_validator

from plangate.tool_context import ToolContext

CREDENTIAL_ATTRIBUTE = "__plangate_credential__"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
MARGIN = timedelta(seconds=60)
MARGIN_OF_LIFE = 0.1
"""A credential is refreshed when less than this part of its life is left, and never earlier than `MARGIN`."""
MIN_LENGTH = 8
"""Characters of a secret: a shorter one can't be masked without masking ordinary text too."""


class Credential(BaseModel):
    """A secret and until when it holds. Its text never shows the value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: SecretStr
    expires_at: AwareDatetime | None = None
    """None when it never expires."""

    @field_validator("value")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < MIN_LENGTH:
            raise ValueError(f"a credential has at least {MIN_LENGTH} characters")
        return value


def refresh_due(expires_at: datetime | None, *, obtained_at: datetime) -> datetime | None:
    """When a credential is to be refreshed; None for never."""
    if expires_at is None:
        return None
    life = max(expires_at - obtained_at, timedelta())
    return expires_at - min(MARGIN, life * MARGIN_OF_LIFE)


F = TypeVar("F", bound=Callable[..., Awaitable[Credential]])


@dataclass(frozen=True)
class CredentialSource:
    """A function that obtains a credential, as its agent folder defines it."""

    name: str
    function: Callable[..., Awaitable[Credential]]
    context_parameter: str | None


def credential(name: str) -> Callable[[F], F]:
    """Make an async function the source of a credential. It is called whenever a new one is needed.

    Its `ctx` has the agent's name and settings, and nothing of a run or a user: what it returns serves every run of the
    agent. It raises as tools do: `ToolError(transient=True)` when trying again may help.

    Args:
        name: What tools ask for: a-z, 0-9, `_` and `-`, starting with a letter.

    Raises:
        TypeError: When the name is not usable, the function isn't async, doesn't return `Credential`, or takes more
            than a `ToolContext`.
    """

    def decorate(function: F) -> F:
        where = f"credential {name!r}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise TypeError(f"{where}: a name has a-z, 0-9, '_' and '-', starting with a letter, at most 64 characters")
        is_async: bool = inspect.iscoroutinefunction(function)
        if not is_async:
            raise TypeError(f"{where}: {function.__name__!r} has to be async")
        hints = typing.get_type_hints(function)
        parameters = list(inspect.signature(function).parameters)
        if len(parameters) > 1 or any(hints.get(each) is not ToolContext for each in parameters):
            raise TypeError(f"{where}: {function.__name__!r} takes nothing, or one `ctx: ToolContext`")
        if hints.get("return") is not Credential:
            raise TypeError(f"{where}: {function.__name__!r} has to be declared to return `Credential`")
        context = parameters[0] if parameters else None
        setattr(function, CREDENTIAL_ATTRIBUTE, CredentialSource(name, function, context))
        return function

    return decorate


def source_of(value: Any) -> CredentialSource | None:
    """The source of a credential that a function is."""
    found = getattr(value, CREDENTIAL_ATTRIBUTE, None)
    return found if isinstance(found, CredentialSource) else None
