"""Keeps the credentials of agents: obtains them, refreshes them before they expire, and once for all that need them.

Within this process those who need a refresh share one. Across workers a lease in the database makes one of them do it,
and the others take what it got, encrypted. Without a key there is nothing that they could take: then each worker
refreshes its own.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from pydantic import SecretStr

from activities import faults
from activities.catalogue import LoadedAgent
from activities.credentials.cipher import Cipher
from activities.credentials.masking import KNOWN
from activities.storage.credentials import CredentialRow, CredentialTable
from activities.storage.store import Store
from plangate.credentials import Credential, CredentialSource, refresh_due
from plangate.errors import ErrorKind, ErrorType, PlangateError, error_type
from plangate.tool_context import ToolContext, ToolError
from plangate.wording import suggestion

REFRESH_SECONDS = 10.0
"""A source may take so long."""
LEASE = timedelta(seconds=REFRESH_SECONDS + 5)
"""After that another worker refreshes: the one that wanted to has died."""
LOOK_SECONDS = 0.1
"""Between two looks at what the worker got that refreshes."""
MAX_WORDS = 500
"""Characters of an error kept."""
log = structlog.get_logger("plangate.credentials")


class RefreshFailed(ToolError):
    """A credential could not be refreshed. Never tried again at once, whatever its type."""


@dataclass(frozen=True)
class Kept:
    """A credential in this process."""

    value: SecretStr
    expires_at: datetime | None
    obtained_at: datetime

    def serves(self, now: datetime, refused: SecretStr | None) -> bool:
        """Whether it needs no refresh."""
        due = refresh_due(self.expires_at, obtained_at=self.obtained_at)
        return self.value != refused and (due is None or now < due)


class Credentials:
    """The credentials of a worker's agents.

    Args:
        store: The project's database.
        cipher: How workers share values; without one they don't.
        worker: This worker's name, for people.
        now: The clock.
    """

    def __init__(
        self,
        store: Store,
        *,
        cipher: Cipher | None = None,
        worker: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._table = store, CredentialTable(store)
        self._cipher, self._worker, self._now = cipher, worker, now
        self._kept: dict[tuple[str, str], Kept] = {}
        self._flights: dict[tuple[str, str, bool], asyncio.Task[Kept]] = {}
        self._notes: set[asyncio.Task[None]] = set()
        store.before_close(self._finish)

    async def obtain(
        self,
        agent: LoadedAgent,
        name: str,
        settings: dict[str, str],
        *,
        refused: SecretStr | None = None,
        apart: bool = False,
    ) -> SecretStr:
        """A credential that can be used now.

        Args:
            agent: Whose it is.
            name: Its name.
            settings: The agent's settings.
            refused: A value that the far side refused: another one is needed.
            apart: The caller holds the database's one writer: what is got is told to the database afterwards.

        Raises:
            ToolError: The agent has no such credential, or `RefreshFailed`.
        """
        source = agent.credentials.get(name)
        if source is None:
            hint = suggestion(name, agent.credentials) or "."
            raise ToolError(f"the agent {agent.name!r} has no credential {name!r}{hint}", permanent=True)
        key, flying = (agent.name, name), (agent.name, name, apart)
        while True:
            kept = self._kept.get(key)
            if kept is not None and kept.serves(self._now(), refused):
                return kept.value
            flight, mine = self._flights.get(flying), False
            if flight is None:
                work = self._apart if apart else self._renew
                flight, mine = asyncio.create_task(work(agent, source, settings, refused)), True
                self._flights[flying] = flight
                flight.add_done_callback(partial(self._landed, flying))
            value = (await asyncio.shield(flight)).value
            if mine or value != refused:
                return value

    def _landed(self, flying: tuple[str, str, bool], flight: asyncio.Task[Kept]) -> None:
        del self._flights[flying]
        if not flight.cancelled():
            flight.exception()  # every caller may have been cancelled; its error was noted

    async def _renew(
        self, agent: LoadedAgent, source: CredentialSource, settings: dict[str, str], refused: SecretStr | None
    ) -> Kept:
        """Refresh, or take what another worker got."""
        cipher = self._cipher
        if cipher is None:
            return await self._refresh(agent, source, settings, lease="")
        before: CredentialRow | None = None
        while True:
            row = await self._table.get(agent.name, source.name)
            shared = self._shared(cipher, agent, row)
            if shared is not None and shared.serves(self._now(), refused):
                return self._keep(agent, source, shared)
            if before is not None and row.failures > before.failures and row.refreshes == before.refreshes:
                raise self._failure(source, error_type(row.error_type), row.last_error, None)
            now, lease = self._now(), uuid.uuid4().hex
            if await self._table.take(row, lease, now=now, until=now + LEASE):
                return await self._refresh(agent, source, settings, lease=lease)
            before = before or row
            await asyncio.sleep(LOOK_SECONDS)

    def _shared(self, cipher: Cipher, agent: LoadedAgent, row: CredentialRow) -> Kept | None:
        if not row.value or row.obtained_at is None:
            return None
        value = cipher.decrypt(agent.name, row.value)
        return None if value is None else Kept(value, row.expires_at, row.obtained_at)

    async def _refresh(
        self, agent: LoadedAgent, source: CredentialSource, settings: dict[str, str], *, lease: str
    ) -> Kept:
        try:
            got = await self._ask(agent, source, settings)
        except Exception as error:  # noqa: BLE001 - every fault gets its type
            failure = await self._note_failure(agent, source, lease, error)
            raise failure from None
        kept = self._keep(agent, source, Kept(got.value, got.expires_at, self._now()))
        await self._note(agent, source, got, kept, lease)
        return kept

    async def _apart(
        self, agent: LoadedAgent, source: CredentialSource, settings: dict[str, str], refused: SecretStr | None
    ) -> Kept:
        """Refresh without a lease, and tell the database when its writer is free again."""
        row = await self._table.get(agent.name, source.name)
        shared = self._shared(self._cipher, agent, row) if self._cipher else None
        if shared is not None and shared.serves(self._now(), refused):
            return self._keep(agent, source, shared)
        try:
            got = await self._ask(agent, source, settings)
        except Exception as error:  # noqa: BLE001 - every fault gets its type
            type_, said, after = _described(error)
            self._later(self._note_failure(agent, source, "", error))
            raise self._failure(source, type_, said, after) from None
        kept = self._keep(agent, source, Kept(got.value, got.expires_at, self._now()))
        self._later(self._note(agent, source, got, kept, ""))
        return kept

    async def _ask(self, agent: LoadedAgent, source: CredentialSource, settings: dict[str, str]) -> Credential:
        context = ToolContext(agent=agent.name, settings=settings)
        values = {source.context_parameter: context} if source.context_parameter else {}
        async with asyncio.timeout(REFRESH_SECONDS):
            got = await source.function(**values)
        if not isinstance(got, Credential):
            raise TypeError(f"its source returned {type(got).__name__}, not Credential")
        KNOWN.add(got.value.get_secret_value())
        if got.expires_at is not None and got.expires_at <= self._now():
            raise ToolError("what its source returned has expired already", permanent=True)
        return got

    def _keep(self, agent: LoadedAgent, source: CredentialSource, kept: Kept) -> Kept:
        KNOWN.add(kept.value.get_secret_value())
        self._kept[agent.name, source.name] = kept
        return kept

    async def _note(
        self, agent: LoadedAgent, source: CredentialSource, got: Credential, kept: Kept, lease: str
    ) -> None:
        """Tell the database; the credential is good although that fails."""
        value = self._cipher.encrypt(agent.name, got) if self._cipher else ""
        try:
            await self._table.refreshed(
                agent.name, source.name, lease=lease, value=value,
                at=kept.obtained_at, expires_at=kept.expires_at, by=self._worker,
            )  # fmt: skip
        except Exception:
            log.exception("refresh of a credential not written down", agent=agent.name, credential=source.name)
        log.info("credential refreshed", agent=agent.name, credential=source.name, expires_at=kept.expires_at)

    async def _note_failure(
        self, agent: LoadedAgent, source: CredentialSource, lease: str, error: Exception
    ) -> RefreshFailed:
        type_, said, after = _described(error)
        log.warning(
            "credential not refreshed", agent=agent.name, credential=source.name, error=type_.value, reason=said
        )
        try:
            await self._table.failed(agent.name, source.name, lease=lease, type=type_.value, error=said, at=self._now())
        except Exception:
            log.exception("failed refresh of a credential not written down", agent=agent.name, credential=source.name)
        return self._failure(source, type_, said, after)

    def _failure(self, source: CredentialSource, type_: ErrorType, said: str, after: float | None) -> RefreshFailed:
        text = f"the credential {source.name!r} can't be refreshed: {said}"
        transient = type_.kind is ErrorKind.TRANSIENT
        return RefreshFailed(text, transient=transient, permanent=not transient, retry_after=after, type=type_)

    def _later(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _finish(self) -> None:
        """Before the database is closed: what is to be noted is noted, refreshes under way are given up."""
        for flight in self._flights.values():
            flight.cancel()
        await asyncio.gather(*self._flights.values(), *self._notes, return_exceptions=True)


def _described(error: Exception) -> tuple[ErrorType, str, float | None]:
    """A source's fault: its type, in words without secrets, the wait that it asks for."""
    type_, said, after = faults.classify(error)
    if type_.kind is not ErrorKind.TRANSIENT and type_ not in (ErrorType.AUTHENTICATION, ErrorType.QUOTA_EXHAUSTED):
        type_ = ErrorType.PERMANENT  # a defect of the source says nothing of the effect that the tool was to have
    if not isinstance(error, PlangateError):
        said = f"{type(error).__name__}: {said}" if type(error).__name__ not in said else said
    return type_, KNOWN.mask(" ".join(said.split()))[:MAX_WORDS], after
