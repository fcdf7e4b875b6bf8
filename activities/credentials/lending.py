"""Credentials of one attempt of a tool: what it asked for, and the one further try when the far side refused it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities import faults
from activities.catalogue import LoadedAgent
from activities.credentials.keeper import Credentials, RefreshFailed
from activities.credentials.masking import KNOWN
from plangate.errors import ErrorType
from plangate.redaction import telling
from plangate.tool_policy import Effect, Idempotency
from plangate.toolkit import Tool

T = TypeVar("T")
log = structlog.get_logger("plangate.credentials")


class Lent:
    """The credentials of one attempt.

    Args:
        credentials: The worker's credentials.
        agent: The agent.
        tool: The tool that is called.
        settings: The agent's settings; those with telling names are secrets, too.
        sqlite: Whether the database has one writer, which the tool may hold.
    """

    def __init__(
        self, credentials: Credentials, agent: LoadedAgent, tool: Tool, settings: Mapping[str, str], *, sqlite: bool
    ) -> None:
        self._credentials, self._agent, self._settings = credentials, agent, dict(settings)
        self._used: dict[str, SecretStr] = {}
        self._writes = tool.settings.idempotency is Idempotency.LEDGER or tool.settings.effect is Effect.WRITE
        self._apart = sqlite and self._writes
        for name, value in settings.items():
            if telling(name):
                KNOWN.add(value)

    async def get(self, name: str) -> str:
        """A credential by its name, for the tool.

        Raises:
            ToolError: There is none, or it can't be refreshed.
        """
        value = await self._credentials.obtain(self._agent, name, self._settings, apart=self._apart)
        self._used[name] = value
        return value.get_secret_value()

    def beat(self, *details: object) -> None:
        """`ctx.heartbeat`: details enter the run's history, so they are masked."""
        activity.heartbeat(*(KNOWN.masked(each) for each in details))

    async def through(self, work: Callable[[], Awaitable[T]], database: AsyncConnection | None = None) -> T:
        """Do the work; once more with fresh credentials when the far side refused one: then it had no effect.

        Args:
            work: Calls the tool's function.
            database: Its connection: what the tool wrote before it was refused is undone.
        """
        if not self._agent.credentials:
            return await work()
        part = await database.begin_nested() if self._writes and database is not None else None
        try:
            done = await work()
        except Exception as error:
            if part is not None:
                await part.rollback()
            if isinstance(error, RefreshFailed) or not self._used:
                raise
            if faults.classify(error)[0] is not ErrorType.AUTHENTICATION:
                raise
            log.warning("credentials refused", agent=self._agent.name, credentials=sorted(self._used))
            for name, value in self._used.items():
                await self._credentials.obtain(self._agent, name, self._settings, refused=value, apart=self._apart)
            return await work()
        if part is not None:
            await part.commit()
        return done
