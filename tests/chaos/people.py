"""Customers who start runs, and a person who answers gates: plain JSON through the Temporal client.

The person reads the table of approvals, as an inbox would. Whatever isn't answered (the worker or the server is away)
is asked again under the same id: that is what a careful caller does, and it has to be safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from tests.chaos.cases import MARK, Case, Verdict
from tests.chaos.records import Row, plain_postgres
from tests.chaos.rig import Rig
from tests.fake_model import by_task

T = TypeVar("T")
APPROVER = "chaos"
RPC = timedelta(seconds=5)


class Inbox:
    """The project's database, read as a person's tools would.

    Args:
        data: The data folder.
        url: Of the database.
    """

    def __init__(self, data: Path, url: str) -> None:
        self._file = None if url.startswith("postgres") else data / "plangate.db"
        self._url, self._connection = url, None

    async def rows(self, query: str) -> list[Row]:
        """Rows of a query; none while the database can't be asked."""
        if self._file is not None:
            try:
                with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=5)) as database:
                    database.row_factory = sqlite3.Row
                    return [dict(row) for row in database.execute(query)]
            except sqlite3.OperationalError:
                return []
        import asyncpg

        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(plain_postgres(self._url))
            return [dict(row) for row in await self._connection.fetch(query)]
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return []

    async def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            await self._connection.close()


async def persist(
    ask: Callable[[], Awaitable[T]], *, seconds: float = 120.0, told: Callable[[], None] = lambda: None
) -> T:
    """Ask until there is an answer; a clear no is an answer.

    The server takes 10,000 signals of an execution, and tells whoever sends more; the next one takes more. (Of 20
    senders that are as fast as they can, some seconds without a worker are enough for that.)

    Args:
        ask: The question.
        seconds: Patience.
        told: Called each time that an execution took no more signals.
    """
    pause = 0.2
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await ask()
            except RPCError as error:
                if "limit for signal" in str(error):
                    told()
                    await asyncio.sleep(pause := min(pause * 2, 3.0))
                    continue
                if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                    raise
                await asyncio.sleep(0.2)
            except RuntimeError:  # the connection is being made again
                await asyncio.sleep(0.2)


@dataclass
class Crowd:
    """All customers of a scene, and who answers them."""

    rig: Rig
    client: Client
    dice: random.Random
    at_once: int = 24
    patience: float = 240.0
    """Seconds for a run."""
    accepted: list[str] = field(default_factory=list)
    """Runs whose start was acknowledged."""
    cases: dict[str, Case] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    """Decisions by how they were sent, and what became of the sending."""
    ended: set[str] = field(default_factory=set)
    answers: bool = True
    """Somebody answers the gates."""
    mute: set[str] = field(default_factory=set)
    """Runs whose gates nobody answers."""
    _answered: set[str] = field(default_factory=set)
    _chores: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Crowd]:
        """Answer gates until the end of the block."""
        self.rig.model.script(by_task(plan=self._plan, revise=self._plan, answer="It is done."))
        inbox = Inbox(self.rig.data, self.rig.database_url)
        watching = asyncio.create_task(self._watch(inbox))
        try:
            yield self
        finally:
            watching.cancel()
            for chore in self._chores:
                chore.cancel()
            await asyncio.gather(watching, *self._chores, return_exceptions=True)
            await inbox.close()

    def _plan(self, request: dict[str, Any]) -> Any:
        text = json.dumps(request)
        run = text.partition(f"{MARK} ")[2].partition(":")[0]
        return self.cases[run].plan

    async def serve(self, cases: Iterable[Case], *, enough: Callable[[], bool] = lambda: False) -> None:
        """Run these cases, so many at once, until there are no more or there was enough of it."""
        slots, tasks = asyncio.Semaphore(self.at_once), []
        for case in cases:
            await slots.acquire()
            if enough():
                slots.release()
                break
            tasks.append(asyncio.create_task(self._customer(case, slots)))
            await asyncio.sleep(self.dice.uniform(0, 0.1))
        await asyncio.gather(*tasks)

    async def _customer(self, case: Case, slots: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self.patience):
                await self.start(case)
                await self.until_ended(case.run)
        except TimeoutError:
            pass  # the scene says what was lost
        finally:
            slots.release()

    async def start(self, case: Case) -> None:
        """Start a run; twice under the same id is once."""
        self.cases[case.run] = case
        await persist(
            lambda: self.client.start_workflow(
                "AgentRun",
                case.input,
                id=case.run,
                task_queue="plangate",
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=RPC,
            )
        )
        self.accepted.append(case.run)

    async def until_ended(self, run: str) -> None:
        """Wait until Temporal says that a run has ended."""
        looks = 0
        while True:
            await asyncio.sleep(0.5)
            looks += 1
            if run not in self.ended and looks % 10:
                continue
            found = await persist(lambda: self.client.get_workflow_handle(run).describe(rpc_timeout=RPC))
            if found.status is not WorkflowExecutionStatus.RUNNING:
                self.ended.add(run)
                return
            await asyncio.sleep(0.3)

    async def _watch(self, inbox: Inbox) -> None:
        while True:
            for row in await inbox.rows("SELECT run FROM runs WHERE ended_at IS NOT NULL"):
                self.ended.add(row["run"])
            pending = await inbox.rows("SELECT id, run, call, digest FROM approvals WHERE status = 'pending'")
            for gate in pending if self.answers else []:
                if gate["id"] not in self._answered and gate["run"] in self.cases.keys() - self.mute:
                    self._answered.add(gate["id"])
                    chore = asyncio.create_task(self._answer(gate))
                    self._chores.add(chore)
                    chore.add_done_callback(self._chores.discard)
            await asyncio.sleep(0.2)

    async def _answer(self, gate: Row) -> None:
        """Think, then say what the case wants."""
        await asyncio.sleep(self.dice.uniform(0, 1.0))
        step = str(gate["call"]).split("~")[0].split(".")[0]
        verdict = self.cases[gate["run"]].verdicts.get(step, Verdict())
        decision = {"approval": gate["id"], "digest": gate["digest"], "by": APPROVER}
        if verdict.args is not None:
            decision["args"] = verdict.args
        for _ in range(verdict.times):
            await self.say(gate["run"], verdict.action, decision, update=verdict.update)
        if verdict.then:
            await self.say(gate["run"], verdict.then, {**decision, "by": "somebody else", "reason": "too late"})

    async def say(self, run: str, action: str, decision: Row, *, update: bool = False) -> str:
        """Send a decision; what the sender heard."""
        handle = self.client.get_workflow_handle(run)
        if update:
            # An update is answered by a worker. One that died may have taken it: the signal after it is a duplicate.
            given = {**decision, "action": action, "id": f"{decision['approval']}#1"}
            try:
                await handle.execute_update("decide", given, id=given["id"], rpc_timeout=timedelta(seconds=8))
                return self._heard("update")
            except WorkflowUpdateFailedError:
                self._heard("update refused")  # its gate isn't open in the workflow yet, or it is decided
            except (RPCError, RuntimeError, WorkflowUpdateRPCTimeoutOrCancelledError):
                self._heard("update unanswered")
        try:
            await persist(lambda: handle.signal(action, decision, rpc_timeout=RPC))
        except RPCError:
            return self._heard("signal refused: the run has ended")
        return self._heard("signal")

    def _heard(self, what: str) -> str:
        self.sent[what] += 1
        return what
