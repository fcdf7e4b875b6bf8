"""The sweeper: runs that ended without writing their end get a dead letter. Run it as often as you like.

A run writes its own dead letter when it fails. When it was terminated, ran into a time limit, could not write, or when
its workflow task fails again and again, it can't; so Temporal's list of runs is compared with the table.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistoryEventFilterType
from temporalio.service import RPCError

from activities.storage.budgets import Budgets
from activities.storage.dead_letters import DeadLetters
from activities.storage.engine import configured_url
from activities.storage.store import Store
from plangate.dead_letters import DeadLetter, DeadLetterCause, of_failure
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.exits import exit_with
from plangate.resuming import compact
from plangate.runs import WORKFLOW, RunInput, RunRequest, RunState
from plangate.temporal import PlangatePlugin
from workers.connection import connect, data_folder, find_target

log = structlog.get_logger("plangate.sweeper")

ENDED_BADLY = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')"
REPORTED = "TemporalReportedProblems"
"""Temporal's own search attribute: set while a run's workflow task fails again and again."""
IN_TROUBLE = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running' AND {REPORTED} IS NOT NULL"
QUERY_SECONDS = 5.0
AT_ONCE = 20
"""Runs asked for their state at the same time: no worker may be there to answer."""
_CAUSES = {
    WorkflowExecutionStatus.FAILED: DeadLetterCause.UNRECORDED,
    WorkflowExecutionStatus.TERMINATED: DeadLetterCause.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT: DeadLetterCause.TIMED_OUT,
}


@dataclass
class Swept:
    """What a sweep did."""

    looked_at: int = 0
    added: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    """Runs that were stuck and go on by themselves."""
    reopened: list[str] = field(default_factory=list)
    """Runs that did so, and are stuck again."""


class Sweeper:
    """Compares Temporal with the table of dead letters.

    Args:
        client: Connected with `PlangatePlugin`.
        store: The project's database.
        only: Look at these runs only.
    """

    def __init__(self, client: Client, store: Store, *, only: frozenset[str] = frozenset()) -> None:
        self._client, self._letters, self._only = client, DeadLetters(store), only

    async def sweep(self) -> Swept:
        """Look once at everything.

        Raises:
            RPCError: Temporal can't be asked.
        """
        done = Swept()
        ended = await self._listed(ENDED_BADLY)
        stuck = await self._in_trouble()
        done.looked_at = len(ended) + len(stuck)
        known = await self._letters.recorded(sorted(ended | stuck))
        noted, recovered = set(await self._letters.stuck()), await self._letters.recovered()
        closed = sorted(ended - (known - noted - recovered))
        alive: set[str] = set()
        for start in range(0, len(closed), AT_ONCE):
            part = closed[start : start + AT_ONCE]
            buried = await asyncio.gather(*(self._bury(run) for run in part))
            done.added += [run for run, new in zip(part, buried, strict=True) if new]
            alive |= {run for run, new in zip(part, buried, strict=True) if new is None}
        for run in sorted(stuck - known):
            if await self._letters.add(await self._letter(run, DeadLetterCause.STUCK)):
                done.added.append(run)
        for run in sorted(stuck & recovered):
            if await self._letters.reopen(await self._letter(run, DeadLetterCause.STUCK)):
                done.reopened.append(run)
        for run in sorted((noted - stuck) & (alive | (noted - ended))):  # a reset ends the execution before badly
            now, why = datetime.now(UTC), "its workflow task succeeds again"
            if await self._letters.close_recovered(run, at=now, detail=why, cause=DeadLetterCause.STUCK):
                done.recovered.append(run)
        return done

    async def _listed(self, query: str) -> set[str]:
        found = {each.id async for each in self._client.list_workflows(query)}
        return found & self._only if self._only else found

    async def _in_trouble(self) -> set[str]:
        """Runs whose workflow task fails again and again; none where the server doesn't know."""
        try:
            return await self._listed(IN_TROUBLE)
        except RPCError as error:
            log.debug("the server doesn't report problems of runs", reason=str(error))
            return set()

    async def _bury(self, run: str) -> bool | None:
        """Write the letter of a closed run; None when a newer execution of it is under way or ended well.

        False when somebody else was faster.
        """
        described = await self._client.get_workflow_handle(run).describe()
        if described.status not in _CAUSES:
            return None
        return await self._letters.add(await self._letter(run, _CAUSES[described.status], at=described.close_time))

    async def _letter(self, run: str, cause: DeadLetterCause, *, at: datetime | None = None) -> DeadLetter:
        error = await self._error(run, cause)
        at = at or datetime.now(UTC)
        state = None if cause is DeadLetterCause.STUCK else await self._state(run)
        if state is not None:
            letter = of_failure(run, compact(state), at=at)
            error = state.error or error
        else:
            request = await self._request(run)
            letter = of_failure(run, RunState(request=request, started_at=at, effect_identity=run), at=at)
        return letter.model_copy(update={"cause": cause, "error": error})

    async def _state(self, run: str) -> RunState | None:
        """What the run knew when it ended, as a worker replays it; None when no worker can."""
        try:
            handle = self._client.get_workflow_handle(run)
            limit = timedelta(seconds=QUERY_SECONDS)
            state: RunState = await handle.query("state", result_type=RunState, rpc_timeout=limit)
            return state
        except Exception as error:  # noqa: BLE001 - a run that can't be replayed gets its letter all the same
            log.warning("a run's state can't be had", run=run, reason=str(error))
            return None

    async def _request(self, run: str) -> RunRequest:
        """What the run was started with, from the first event of its history."""
        handle = self._client.get_workflow_handle(run)
        async for event in handle.fetch_history_events(
            page_size=1, event_filter_type=WorkflowHistoryEventFilterType.ALL_EVENT
        ):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            try:
                data = json.loads(payloads[0].data)
                return RunRequest.model_validate(RunInput.model_validate(data).model_dump(exclude={"carried"}))
            except (IndexError, ValueError, ValidationError):
                return RunRequest(request=str(payloads[0].data[:2000], "utf-8", "replace") if payloads else "")
        return RunRequest()

    async def _error(self, run: str, cause: DeadLetterCause) -> ErrorPayload:
        handle = self._client.get_workflow_handle(run)
        if cause is DeadLetterCause.STUCK:
            pending = (await handle.describe()).raw_description.pending_workflow_task
            message = f"its workflow task fails again and again (attempt {pending.attempt}); fix the cause and deploy"
            return ErrorPayload(
                type=ErrorType.BUG, message=message, attempts=max(1, pending.attempt), next="it goes on after a fix"
            )
        async for event in handle.fetch_history_events(event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT):
            if event.HasField("workflow_execution_terminated_event_attributes"):
                ended = event.workflow_execution_terminated_event_attributes
                why = f": {ended.reason}" if ended.reason else ""
                return ErrorPayload(type=ErrorType.CANCELLED, message=f"the run was terminated{why}")
            if event.HasField("workflow_execution_failed_event_attributes"):
                failure = event.workflow_execution_failed_event_attributes.failure
                kind = failure.application_failure_info.type
                known = ErrorType(kind) if kind in set(ErrorType) else ErrorType.PERMANENT
                return ErrorPayload(type=known, message=failure.message)
        return ErrorPayload(type=ErrorType.TIMEOUT, message="the run reached the time limit that it was started with")


async def sweep_forever(client: Client, store: Store, *, every_seconds: float) -> None:
    """Sweep now and then; a sweep that fails is logged and the next one tries again."""
    sweeper = Sweeper(client, store)
    while True:
        try:
            swept = await sweeper.sweep()
            await Budgets(store).sweep()
            if swept.added or swept.recovered or swept.reopened:
                told = {"added": swept.added, "recovered": swept.recovered, "reopened": swept.reopened}
                log.warning("dead letters", **told)
        except Exception as error:  # noqa: BLE001 - the next sweep tries again
            log.warning("the sweep failed", reason=f"{type(error).__name__}: {error}")
        await asyncio.sleep(every_seconds)


@asynccontextmanager
async def sweeping(client: Client, store: Store, *, every_seconds: float) -> AsyncIterator[None]:
    """Sweep in the background; never when `every_seconds` is 0."""
    if not every_seconds:
        yield
        return
    task = asyncio.create_task(sweep_forever(client, store, every_seconds=every_seconds), name="plangate-sweeper")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def sweep_once(data: str | None = None, *, only: Sequence[str] = ()) -> Swept:
    """Connect, sweep, and close.

    Args:
        data: Data folder.
        only: Look at these runs only.

    Raises:
        PlangateError: The server or the database can't be reached.
    """
    client = await connect(find_target(data), plugins=[PlangatePlugin()])
    async with await Store.open(configured_url(data_folder(data))) as store:
        return await Sweeper(client, store, only=frozenset(only)).sweep()


def main() -> int:
    """Sweep once; print what was done as one line of JSON."""
    try:
        swept = asyncio.run(sweep_once(os.environ.get("PLANGATE_DATA")))
    except (PlangateError, RPCError) as error:
        print(f"plangate sweeper: {error}", file=sys.stderr)
        return 3
    print(json.dumps(vars(swept)))
    return 0


if __name__ == "__main__":
    exit_with(main)
