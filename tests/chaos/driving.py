"""Asking and approving the way a client's script would: plain JSON through the Temporal client, nothing of Plangate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from tests.chaos.cases import Case

T = TypeVar("T")
PATIENCE_SECONDS = 240.0
"""Longest time for a run, with all that is done to it."""
LAST_CUSTOMER_SECONDS = 5.0
"""Customers come one after the other, so that different runs are in different phases when a process dies."""
APPROVER = "chaos"


async def persist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer: the worker or the server may be away."""
    while True:
        try:
            return await ask()
        except (RPCError, WorkflowQueryFailedError, RuntimeError):
            await asyncio.sleep(0.1)


class Customer:
    """One run from its request to its end.

    Args:
        client: Connected to the server.
        case: What is asked.
        dice: When the customer comes, how long the approver thinks, and whether they say it twice.
    """

    def __init__(self, client: Client, case: Case, dice: random.Random) -> None:
        self.case = case
        self.ended = False
        self.waiting = False
        self._client = client
        self._comes = dice.uniform(0, LAST_CUSTOMER_SECONDS)
        self._think = dice.uniform(0, 1.5)
        self._twice = dice.random() < 0.5

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Temporal's handle of the run."""
        return self._client.get_workflow_handle(self.case.run)

    async def serve(self) -> None:
        """Start the run, approve its refund, wait for its end."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.sleep(self._comes)
                await persist(self._start)
                gate = await self._gate()
                if gate is not None:
                    await asyncio.sleep(self._think)
                    await self._approve(gate)
                await self._end()
        except TimeoutError:
            pass  # the checker says what was lost
        finally:
            self.ended = True

    async def _start(self) -> None:
        await self._client.start_workflow(
            "AgentRun",
            self.case.input,
            id=self.case.run,
            task_queue="plangate",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            rpc_timeout=timedelta(seconds=5),
        )

    async def _is_open(self) -> bool:
        found = await persist(lambda: self.handle.describe(rpc_timeout=timedelta(seconds=5)))
        return found.status is WorkflowExecutionStatus.RUNNING

    async def _gate(self) -> dict[str, Any] | None:
        """The open gate; None when the run ended without one."""
        while True:
            try:
                found = await self.handle.query("pending_approvals", rpc_timeout=timedelta(seconds=3))
                if found:
                    self.waiting = True
                    return dict(found[0])
            except (RPCError, WorkflowQueryFailedError, RuntimeError):
                pass
            if not await self._is_open():
                return None
            await asyncio.sleep(0.15)

    async def _approve(self, gate: dict[str, Any]) -> None:
        decision = {"approval": gate["id"], "digest": gate["digest"], "by": APPROVER}
        for _ in range(1 + self._twice):
            await persist(lambda: self.handle.signal("approve", decision, rpc_timeout=timedelta(seconds=5)))
        self.waiting = False

    async def _end(self) -> None:
        while await self._is_open():  # noqa: ASYNC110 - the event is on the server, which may be away
            await asyncio.sleep(0.2)
