"""Resuming a dead letter: a new run goes on with the old one's state."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.catalogue import Catalogue
from activities.storage.dead_letters import DeadLetters, closed, give_back_approvals, locked, note
from activities.storage.store import Store
from plangate.carrying import pack
from plangate.dead_letters import DeadLetter, DeadLetterCause, DeadLetterState, Deed
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.resuming import correct, next_run, resumed
from plangate.runs import TASK_QUEUE, WORKFLOW, RunInput, RunState
from workers.dead_letters.outlook import Outlook, look_ahead, outdated

_START_TIMEOUT = timedelta(seconds=10)
"""The database's writer waits meanwhile."""


@dataclass(frozen=True)
class Resumed:
    """What came of it."""

    run: str
    """The new run."""
    outlook: Outlook


@dataclass(frozen=True)
class Correction:
    """Corrected arguments of a failed step."""

    args: dict[str, Any]
    step: str | None = None


async def resume(
    client: Client,
    store: Store,
    catalogue: Catalogue,
    run: str,
    *,
    by: str,
    correction: Correction | None = None,
    queue: str | None = None,
) -> Resumed:
    """Start the run that goes on where a failed one stopped.

    Args:
        client: Connected with `PlangatePlugin`.
        store: The project's database.
        catalogue: The agents as they are now.
        run: The failed run.
        by: Who resumes it.
        correction: Other arguments for its failed step.
        queue: Task queue of the new run; by default the failed one's.

    Raises:
        PlangateError: There is no such letter, it isn't open, or it can't be resumed yet; says what to do.
    """
    letters = DeadLetters(store)
    letter = await letters.get(run)
    if letter.state is not DeadLetterState.OPEN:
        raise closed(letter)
    outlook = await look_ahead(letters, letter, namespace=client.namespace)
    state = _checked(letter, outlook)
    again = _refresh(state, catalogue)
    if correction is not None:
        step = correct(state, correction.args, step=correction.step)
        again |= _correct_calls(state, outlook, step)
    for call in outlook.failed:
        state.generations[call.call] = state.generations.get(call.call, 0) + 1
    described = await _describe(client, run)
    new = next_run(state, run)
    at = datetime.now(UTC)
    state = resumed(state, run=run, at=at, by=by, ask_again=again)
    queue = queue or (described.task_queue if described else os.environ.get("PLANGATE_TASK_QUEUE", TASK_QUEUE))
    await store.open_run(new, state.request, agent_version=state.agent_version, at=at)
    deed = Deed(at=at, action="resumed", by=by, detail=new, reason=_corrected(correction))
    async with store.transaction() as connection:
        # Nobody else resumes, resolves or discards it while its run is started; who dies here leaves it open.
        held = await locked(connection, run)
        if held.state is not DeadLetterState.OPEN:
            raise closed(held)
        if held.history != letter.history:
            raise InvalidInput(f"somebody else has just dealt with {run!r}; nothing was changed, look again")
        await _make_way(client, letter, described)
        await give_back_approvals(connection, [call.key for call in outlook.failed])
        started = await _start(client, state, new, queue)
        await note(connection, held, deed, state=DeadLetterState.RESUMED)
    if not started and correction is not None:
        raise InvalidInput(
            f"{run!r} went on already as {new!r}: somebody resumed it before, and this was not noted. "
            "What you gave now was not taken"
        )
    return Resumed(new, outlook)


def _checked(letter: DeadLetter, outlook: Outlook) -> RunState:
    if outlook.refusal or letter.run_state is None:
        raise InvalidInput(f"{letter.run!r} can't be resumed: {outlook.refusal}")
    if outlook.unresolved:
        raise InvalidInput(
            f"{letter.run!r} can't be resumed before a person says whether these calls took effect",
            details=[
                f"plangate dead-letters resolve {letter.run} --call {call.call} --done | --not-done | --redo"
                for call in outlook.unresolved
            ],
        )
    return letter.run_state


def _refresh(state: RunState, catalogue: Catalogue) -> set[str]:
    """Take the agent as it is now; returns the calls that have to be approved again for it."""
    if state.plan is None:
        return set()
    agent = catalogue.get(state.request.agent)
    policies = agent.policies
    if gone := sorted(name for name in state.tools if name not in policies):
        raise PlangateError(
            f"the agent {agent.name!r} no longer has the tool {gone[0]!r} of the plan", type=ErrorType.UNKNOWN_TOOL
        )
    again = outdated(state, agent)
    state.agent_version, state.limits = agent.version, agent.scope.limits
    state.tools = {name: policies[name] for name in state.tools}
    return again


def _correct_calls(state: RunState, outlook: Outlook, step: str) -> set[str]:
    """Calls of a corrected step: gated again, with a new key where the old one stands for other arguments."""
    again = set()
    for call in [call for call in outlook.calls if call.step == step]:
        if call in outlook.done:
            raise InvalidInput(
                f"{call.call!r} took effect with the arguments that it had; other arguments would be a second effect"
            )
        if call.key in outlook.rows and call not in outlook.failed:
            state.generations[call.call] = state.generations.get(call.call, 0) + 1
        again.add(call.call)
    return again


async def _describe(client: Client, run: str) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(run).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # older than the server's retention
            return None
        raise


async def _make_way(client: Client, letter: DeadLetter, described: WorkflowExecutionDescription | None) -> None:
    """Nothing goes on with a run that goes on itself."""
    if described is None or described.status is not WorkflowExecutionStatus.RUNNING:
        return
    if letter.cause is not DeadLetterCause.STUCK:
        raise InvalidInput(f"the run {letter.run!r} is under way again; nothing was changed")
    await client.get_workflow_handle(letter.run).terminate(reason="its dead letter is resumed")


async def _start(client: Client, state: RunState, run: str, queue: str) -> bool:
    """Whether it is new."""
    request = state.request
    try:
        await client.start_workflow(
            WORKFLOW,
            RunInput(**request.model_dump(), carried=pack(state, namespace=client.namespace)),
            id=run,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"{request.agent}: {request.request}"[:200],
            rpc_timeout=_START_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


def _corrected(correction: Correction | None) -> str:
    if correction is None:
        return ""
    return f"with corrected arguments: {', '.join(sorted(correction.args))}"
