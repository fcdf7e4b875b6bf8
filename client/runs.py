"""The typed client of runs.

    async with await Plangate.connect() as plangate:
        started = await plangate.start(RunRequest(agent="support", request="Where is order 1042?"))
        async for view in plangate.watch(started.run):
            ...
        result = await plangate.result(started.run)

Every method raises `client.errors.ClientError`, never a Temporal error.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict

from client.connection import Target, connect
from client.errors import ClientError, ExitCode
from client.failures import explained
from client.results import read_result
from client.watching import View, watch
from plangate.approvals import ApprovalDecision, ApprovalRequest, Receipt
from plangate.plans import Plan
from plangate.run_status import RunResult, RunStatus
from plangate.runs import TASK_QUEUE, WORKFLOW, Event, Phase, RunRequest
from plangate.strictjson import not_finite

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from client.listing import RunLine

SETTLE_SECONDS = 0.1
ANSWER_SECONDS = 5.0
"""Longest wait for a worker's answer to a query."""
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class Started(BaseModel):
    """A run that was started, or that had been started before under the same id."""

    model_config = ConfigDict(frozen=True)

    run: str
    created: bool
    """False when the id was taken: this is the run that has it."""
    ui: str = ""
    """Its page in the Temporal UI."""


def new_run_id(agent: str) -> str:
    """`<agent>-<8 random characters>`."""
    return f"{agent}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


class Plangate:
    """A connection to the runs of one Temporal namespace.

    Args:
        client: A connected client with the pydantic data converter.
        target: Where it is connected to.
    """

    def __init__(self, client: Client, target: Target) -> None:
        self.client = client
        self.target = target

    @classmethod
    async def connect(cls, data: str | Path | None = None) -> Plangate:
        """Connect; see `client.connection.connect`."""
        client, target = await connect(data)
        return cls(client, target)

    async def __aenter__(self) -> Self:
        """Use it for the length of an `async with`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `close`."""
        await self.close()

    async def close(self) -> None:
        """Let the SDK's threads put down what they hold of Python.

        A process that ends within moments of its last call is aborted now and then (temporalio/sdk-python#300,
        "PyGILState_Release: thread state must be current"); with 1.35, in one of three cases here.
        """
        await asyncio.sleep(SETTLE_SECONDS)

    def handle(self, run: str) -> WorkflowHandle[Any, Any]:
        """Temporal's handle of a run; it follows continue-as-new."""
        return self.client.get_workflow_handle(run)

    async def start(self, request: RunRequest, *, id: str | None = None) -> Started:
        """Start a run. Starting the same id twice gives the same run.

        Args:
            request: What is asked, of which agent.
            id: The run's id; made up when there is none.
        """
        from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
        from temporalio.exceptions import WorkflowAlreadyStartedError

        if wrong := not_finite({"input": request.input, "plan": request.plan}):
            raise ClientError(f"The run can't be started: {wrong}.", code=ExitCode.USAGE)
        run = id or new_run_id(request.agent)
        created = True
        try:
            with explained("start the run", run=run):
                await self.client.start_workflow(
                    WORKFLOW,
                    request,
                    id=run,
                    task_queue=os.environ.get("PLANGATE_TASK_QUEUE", TASK_QUEUE),
                    # FAIL rather than USE_EXISTING: both attach, but this way we know that the run was there already.
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=_search_attributes(request),
                    static_summary=f"{request.agent}: {request.request}"[:200],
                    static_details=_details(request),
                    rpc_timeout=timedelta(seconds=ANSWER_SECONDS),
                )
        except WorkflowAlreadyStartedError:
            created = False
        return Started(run=run, created=created, ui=self.target.run_url(run))

    async def status(self, run: str) -> RunStatus:
        """Where a run stands."""
        status: RunStatus = await self._query(run, "status", RunStatus)
        return status

    async def plan(self, run: str) -> Plan | None:
        """The plan as it is now; None while there is none."""
        plan: Plan | None = await self._query(run, "plan", Plan | None)
        return plan

    async def pending(self, run: str) -> list[ApprovalRequest]:
        """The gates of a run that wait for somebody."""
        gates: list[ApprovalRequest] = await self._query(run, "pending_approvals", list[ApprovalRequest])
        return gates

    async def timeline(self, run: str, since: int = 0) -> list[Event]:
        """What happened, from the `since`-th event on."""
        events: list[Event] = await self._query(run, "timeline", list[Event], since)
        return events

    async def _query(self, run: str, name: str, result: Any, *args: Any) -> Any:
        with explained(f"ask for the {name.replace('_', ' ')} of {run!r}", run=run):
            return await self.handle(run).query(
                name, args=args, result_type=result, rpc_timeout=timedelta(seconds=ANSWER_SECONDS)
            )

    def watch(self, run: str) -> AsyncIterator[View]:
        """Follow a run to its end; survives restarts of workers and of the server."""
        return watch(self.client, run)

    async def result(self, run: str) -> RunResult:
        """Wait for the end of a run; failed, rejected and cancelled runs have a result too."""
        return await read_result(self.client, run)

    async def decide(self, run: str, decision: ApprovalDecision) -> Receipt:
        """Answer a gate and hear at once what became of it.

        Raises:
            ClientError: `REFUSED` with the reason when nothing was changed.
            Unanswered: When no worker confirmed it in time. It was sent and may still count.
        """
        from client.decisions import decide

        return await decide(self.client, run, decision)

    async def signal(self, run: str, decision: ApprovalDecision) -> None:
        """Answer a gate by signal: it is kept by the server until a worker takes it; nobody confirms it."""
        from client.decisions import refused

        if wrong := decision.not_finite:
            raise refused(wrong)
        with explained("send the decision", run=run):
            await self.handle(run).signal(decision.action.value, decision)

    async def inbox(self) -> list[ApprovalRequest]:
        """Everything that waits for somebody, over all runs, oldest first."""
        from client.listing import inbox

        return await inbox(self.client)

    async def runs(self, *, agent: str = "", status: str = "", user: str = "", limit: int = 20) -> list[RunLine]:
        """Runs, those that aren't finished first, then the newest."""
        from client.listing import runs

        return await runs(self.client, self.target, agent=agent, status=status, user=user, limit=limit)

    async def cancel(self, run: str) -> None:
        """Ask a run to stop: tools in flight finish or report, the rest isn't started."""
        await self.expect_open(run)
        with explained("cancel the run", run=run):
            await self.handle(run).cancel()

    async def steer(self, run: str, signal: str, **payload: str) -> None:
        """Send `pause`, `resume` or `cancel_step`."""
        with explained(f"{signal.replace('_', ' ')} {run!r}", run=run):
            await self.handle(run).signal(signal, payload)

    async def has_ended(self, run: str) -> bool:
        """Whether a run is over; known to the server, without a worker."""
        with explained(f"look up {run!r}", run=run):
            found = await self.handle(run).describe()
        return found.close_time is not None

    async def expect_open(self, run: str) -> None:
        """Make sure that a run hasn't ended.

        Raises:
            ClientError: `REFUSED` when it has.
        """
        if await self.has_ended(run):
            raise ClientError(f"The run {run!r} has ended; nothing was changed.", code=ExitCode.REFUSED)


def _search_attributes(request: RunRequest) -> Any:
    from temporalio.common import SearchAttributePair, TypedSearchAttributes

    from plangate.temporal import AGENT, PENDING, STATUS, USER

    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(AGENT, request.agent),
        SearchAttributePair(STATUS, Phase.ADMITTING.value),
        SearchAttributePair(PENDING, 0),
    ]
    if request.user:
        pairs.append(SearchAttributePair(USER, request.user))
    return TypedSearchAttributes(pairs)


def _details(request: RunRequest) -> str:
    who = f"\n\nAsked by {request.user}." if request.user else ""
    quoted = "\n".join(f"> {line}" for line in request.request[:4000].splitlines())
    return f"**{request.agent}** was asked:\n\n{quoted}{who}"
