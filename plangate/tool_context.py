"""What a tool may know of the call that it serves, and how it says that the call failed."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from plangate.errors import ErrorType, PlangateError
from plangate.replies import Difference, ResponseDrift, compared

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

M = TypeVar("M", bound=BaseModel)


class ToolError(PlangateError):
    """What a tool raises to say how a failure is to be taken.

    Args:
        message: What was attempted and why it failed; the planner and people read it.
        transient: True if trying again may help (Temporal retries, by the tool's retry settings).
        permanent: True if the step is to end as a fault, not as an answer of the far side.
        retry_after: Seconds to wait before the next attempt; only with `transient`. No number (NaN) is none.
        type: A more exact type than the kind's default.

    Without a flag it is a *business error*: the far side's answer is no, for example "already shipped". It isn't
    retried; the planner sees it and can revise the plan.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        permanent: bool = False,
        retry_after: float | None = None,
        type: ErrorType | None = None,
    ) -> None:
        if transient and permanent:
            raise TypeError("a ToolError is either transient or permanent")
        default = ErrorType.BUSINESS
        if transient:
            default = ErrorType.UNAVAILABLE
        if permanent:
            default = ErrorType.PERMANENT
        super().__init__(message, type=type or default)
        self.retry_after = None if retry_after is None or math.isnan(retry_after) else retry_after


def _nothing(*_: Any) -> None:
    return None


def _for_ever() -> float:
    return math.inf


async def _no_credential(name: str) -> str:
    raise ToolError(f"there is no credential {name!r} here", permanent=True)


@dataclass(frozen=True)
class ToolContext:
    """What a tool may know of the call that it serves. Declare a parameter of this type to receive it."""

    run: str = ""
    """The workflow id."""
    step: str = ""
    """The step's id; with an item's index for a `for_each` step."""
    agent: str = ""
    user: str | None = None
    session: str | None = None
    attempt: int = 1
    """Starts at 1; for logs, never for keys."""
    idempotency_key: str = ""
    """The same for every attempt, replay and reset of this call; send it as `Idempotency-Key`."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The agent's settings: `agent.yaml`'s `settings`, overridden by `PLANGATE_<AGENT>_<NAME>` in the environment."""
    websites: tuple[str, ...] = ()
    """Domains that the scope's table `Websites` allows to be read."""
    database: AsyncConnection | None = None
    """In an async tool: a connection to the project's database inside a transaction that Plangate commits.
    In `ledger` mode it is the transaction of the ledger row itself; in `key` and `check` mode it only reads.
    Don't commit it."""
    heartbeat: Callable[..., None] = _nothing
    """Tell Temporal that a long call is alive, with optional details."""
    deadline: datetime | None = None
    """When this attempt has to be over, by the worker's clock, in UTC: another one may take its place then."""
    seconds_left: Callable[[], float] = _for_ever
    """Seconds until then: bound your client's time-outs by it."""
    notice: Callable[[list[Difference]], None] = _nothing
    """Takes what `reply` finds, to be counted."""

    obtain: Callable[[str], Awaitable[str]] = _no_credential
    """Where `credential` comes from; give another in tests."""

    def still_mine(self) -> bool:
        """Whether this attempt may still send. A sync tool asks right before it does, since it can't be stopped."""
        return self.seconds_left() > 0

    def reply(self, model: type[M], body: Any, *, sent: bool = True) -> M:
        """What an external API answered, as the model of what this tool relies on.

        A field that the model doesn't know is noted, and is no error.

        Args:
            model: The fields that the tool relies on. Types count as they are in JSON.
            body: The answer, parsed.
            sent: False for an answer that comes before anything was sent which has an effect: what fails then has
                failed for sure.

        Raises:
            ResponseDrift: The answer doesn't fit. In a consequential tool its outcome is unknown then, unless
                `read_back` finds the effect or nothing was sent.
        """
        value, differences = compared(model, body)
        if differences:
            self.notice(differences)
        if value is None:
            raise ResponseDrift(model.__name__, differences, sent=sent)
        return value

    async def credential(self, name: str) -> str:
        """A credential of the agent's by its name, fresh enough to be used now. Don't keep it.

        Raises:
            ToolError: The agent has none of that name, or it can't be refreshed; transient when that may pass.
        """
        return await self.obtain(name)
