"""Circuit breakers of a worker: asked before each call to a dependency, told after it.

The breakers are in the database, where all workers see them. A worker reads them at most once a second, writes what
changes one at once, and plain answers at most once a second, so that calls to dependencies that are up cost nothing.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from activities.storage.dependencies import Dependencies
from activities.storage.store import Store
from plangate.breakers import Breaker, BreakerRules, BreakerState, Heard, after, blocked_until, may_probe
from plangate.errors import ErrorType

FRESH_SECONDS = 1.0
"""Between two reads of the database, and between two writes of plain answers."""
_LEASE_SLACK = 10.0
_log = structlog.get_logger("plangate.breakers")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Permit:
    """A call may be made; collects what the call says of its dependency."""

    dependency: str
    probe: str = ""
    heard: list[Heard] = field(default_factory=list)
    not_before: datetime | None = None
    """When the dependency asked for patience: until when."""
    typical_ms: float | None = None
    """How long a call takes, as far as that is known."""

    @contextmanager
    def watch(
        self,
        classify: Callable[[Exception], ErrorType],
        asked: Callable[[Exception], float | None] = lambda _: None,
        *,
        answers: bool = True,
    ) -> Iterator[None]:
        """Take down how what is inside ends. Nothing is written before `Breakers.settle`.

        Args:
            classify: An error's type.
            asked: The seconds of patience that an error asks for.
            answers: Whether an answer says that the dependency is up. That a mailbox can be read says nothing of the
                mail server, and must not end the row of its failures.
        """
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            self._hear(classify(error), began, asked(error))
            raise
        if answers:
            self._hear(None, began, None)

    def _hear(self, error: ErrorType | None, began: float, patience: float | None) -> None:
        took = (time.perf_counter() - began) * 1000
        self.heard.append(Heard(error=error, latency_ms=took, probe=self.probe, retry_after=patience))


@dataclass(frozen=True)
class Refusal:
    """No call: the dependency is down."""

    dependency: str
    until: datetime
    """When to ask again."""
    why: str


@dataclass
class _Waiting:
    """Answers that aren't in the database yet."""

    count: int = 0
    latency_ms: float = 0.0
    """The sum."""

    def taken(self) -> Heard | None:
        """All of them, as one."""
        if not self.count:
            return None
        heard = Heard(count=self.count, latency_ms=self.latency_ms / self.count)
        self.count, self.latency_ms = 0, 0.0
        return heard


class Breakers:
    """The breakers of all dependencies, as one worker sees them.

    Args:
        store: The project's database.
        rules: When breakers open.
        fresh_seconds: How old what is known may be.
        clock: This worker's time in UTC; tests set it. By default it is put right by PostgreSQL's, which all workers
            share: one whose clock is wrong would open a breaker for hours, or for no time at all.
    """

    def __init__(
        self,
        store: Store,
        rules: BreakerRules | None = None,
        *,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._table = Dependencies(store)
        self._rules, self._fresh, self._clock = rules or BreakerRules(), fresh_seconds, clock or _utc_now
        self._shared, self._ahead = clock is None and store.dialect == "postgresql", timedelta(0)
        self._known: dict[str, Breaker] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        store.before_close(self.close)

    async def ask(self, dependency: str, *, seconds: float) -> Permit | Refusal:
        """Whether a call may be made.

        Args:
            dependency: Its name.
            seconds: How long the call may take: a probe that has said nothing by then counts as dead.
        """
        try:
            await self._refresh()
            breaker = self._known.get(dependency) or Breaker(name=dependency)
            if may_probe(breaker, self._now()):
                return await self._try_probe(breaker, seconds)
        except Exception:  # noqa: BLE001 - without the database nobody knows; the call itself will tell
            _log.exception("breakers not read", dependency=dependency)
            return Permit(dependency)
        return self._answer(breaker)

    async def known(self) -> dict[str, Breaker]:
        """All breakers by name, read now; those known before when the database can't be read."""
        try:
            await self._refresh(force=True)
        except Exception:  # noqa: BLE001 - without the database nobody knows
            _log.exception("breakers not read")
        return self._known

    def _answer(self, breaker: Breaker) -> Permit | Refusal:
        until = blocked_until(breaker, self._now())
        if until is None:
            until = breaker.paused_until
            return Permit(breaker.name, not_before=until and until + self._ahead, typical_ms=breaker.latency_ms)
        why = f" ({breaker.last_error})" if breaker.last_error else ""
        return Refusal(breaker.name, until, f"dependency {breaker.name} is down{why}")

    async def _try_probe(self, breaker: Breaker, seconds: float) -> Permit | Refusal:
        token, now = uuid.uuid4().hex, self._now()
        until = now + timedelta(seconds=seconds + _LEASE_SLACK)
        if await self._table.take_probe(breaker.name, token, now=now, until=until):
            _log.info("probing a dependency", dependency=breaker.name)
            taken = {"state": BreakerState.HALF_OPEN, "probe": token, "probe_until": until, "updated_at": now}
            self._known[breaker.name] = breaker.model_copy(update=taken)
            return Permit(breaker.name, token)
        await self._refresh(force=True)
        current = self._known.get(breaker.name) or Breaker(name=breaker.name)
        if may_probe(current, self._now()):  # it opened again and is due within an instant: somebody else's turn
            return Refusal(current.name, now + timedelta(seconds=1), f"dependency {current.name} is down")
        return self._answer(current)

    async def settle(self, permit: Permit) -> None:
        """Tell how a call ended; never raises. A probe that made no call gives its lease back."""
        heard = permit.heard
        if permit.probe and not heard:
            heard = [Heard(error=ErrorType.CANCELLED, probe=permit.probe)]
        permit.heard = []
        for each in heard:
            try:
                await self._hear(permit.dependency, each)
            except Exception:  # noqa: BLE001 - the call's own end matters more
                _log.exception("breaker not written", dependency=permit.dependency)

    async def _hear(self, dependency: str, heard: Heard) -> None:
        known = self._known.get(dependency)
        quiet = known is None or (known.state is BreakerState.CLOSED and not known.failures)
        if heard.is_answer and not heard.probe and quiet:
            self._keep(dependency, heard)
        elif heard.probe or not heard.says_nothing:
            await self._write(dependency, heard)

    def _keep(self, dependency: str, heard: Heard) -> None:
        waiting = self._waiting.setdefault(dependency, _Waiting())
        waiting.count += heard.count
        waiting.latency_ms += heard.latency_ms or 0.0
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._fresh, self._flush_soon)

    def _flush_soon(self) -> None:
        self._timer = None
        self._flushing = asyncio.ensure_future(self.flush())

    async def flush(self) -> None:
        """Write the answers that wait; never raises."""
        for dependency in [name for name, waiting in self._waiting.items() if waiting.count]:
            try:
                await self._write(dependency, None)
            except Exception:  # noqa: BLE001 - figures for people
                _log.exception("breaker not written", dependency=dependency)

    async def close(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is not None:
            await self._flushing
        await self.flush()

    async def _write(self, dependency: str, heard: Heard | None) -> None:
        earlier = self._waiting.setdefault(dependency, _Waiting()).taken()
        before = self._known.get(dependency) or Breaker(name=dependency)

        def changed(breaker: Breaker) -> Breaker:
            for each in (earlier, heard):
                if each is not None:
                    breaker = after(breaker, each, self._now(), self._rules)
            return breaker

        breaker = await self._table.change(dependency, changed)
        self._known[dependency] = breaker
        if before.state is not breaker.state:
            _log.info("dependency", dependency=dependency, state=breaker.state.value, error=breaker.last_error)

    async def _refresh(self, *, force: bool = False) -> None:
        """Read all breakers when what is known is too old; calls at the same time share one read."""
        if not force and self._is_fresh():
            return
        async with self._reading:
            if force or not self._is_fresh():
                began = time.monotonic()
                if self._shared:
                    self._ahead = self._clock() - await self._table.clock()
                self._known = {breaker.name: breaker for breaker in await self._table.listed()}
                self._read_at = began

    def _now(self) -> datetime:
        return self._clock() - self._ahead

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < self._fresh
