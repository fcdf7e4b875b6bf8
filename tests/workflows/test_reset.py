"""Runs that somebody resets, by `temporal workflow reset` or in the UI: they go on from an earlier point."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from activities.catalogue import Catalogue
from activities.storage.dead_letters import DeadLetters
from plangate.dead_letters import DeadLetter, DeadLetterCause, DeadLetterState
from plangate.errors import InvalidInput
from plangate.run_status import RunResult
from plangate.runs import Outcome
from tests.workflows.desk import AGENTS, Desk, eventually, pending, result_of
from workers.dead_letters.resume import resume
from workers.sweeper import Sweeper

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def reset(desk: Desk, handle: WorkflowHandle[Any, RunResult], *, before: str = "") -> None:
    """Go back to the workflow task that scheduled a tool; by default to the first one."""
    events = (await handle.fetch_history()).events
    back = next(each.event_id for each in events if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    for event in events:
        scheduled = event.activity_task_scheduled_event_attributes
        if before and scheduled.activity_type.name == before:
            back = scheduled.workflow_task_completed_event_id
    request = ResetWorkflowExecutionRequest(
        namespace=desk.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.first_execution_run_id or ""),
        reason="a try",
        workflow_task_finish_event_id=back,
        request_id=uuid.uuid4().hex,
    )
    await desk.client.workflow_service.reset_workflow_execution(request)


def latest(desk: Desk, run: str) -> WorkflowHandle[Any, RunResult]:
    return desk.client.get_workflow_handle(run, result_type=RunResult)


@pytest.mark.parametrize("before", ["pay", ""], ids=["to the effect", "to its beginning"])
async def test_an_effect_of_a_run_that_is_reset_happened_once(desk: Desk, before: str) -> None:
    desk.model.script("paid", "paid")
    handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 5}}]})
    assert (await result_of(handle)).outcome is Outcome.COMPLETED
    await reset(desk, handle, before=before)
    assert (await result_of(latest(desk, handle.id))).outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="pay")) == 1


async def test_the_letter_of_a_run_that_comes_to_a_good_end_after_a_reset_is_closed(desk: Desk) -> None:
    letters, down = DeadLetters(desk.store), desk.effects_file.with_suffix(".down")
    down.touch()
    handle = await desk.start(plan={"steps": [{"id": "s", "tool": "stock_or_not"}]})
    assert (await result_of(handle)).outcome is Outcome.FAILED
    assert (await letters.get(handle.id)).state is DeadLetterState.OPEN
    down.unlink()
    desk.model.script("plenty")
    await reset(desk, handle, before="stock_or_not")
    assert (await result_of(latest(desk, handle.id))).outcome is Outcome.COMPLETED
    letter = await letters.get(handle.id)
    assert (letter.state, [deed.action for deed in letter.history]) == (DeadLetterState.RESUMED, ["recovered"])
    with pytest.raises(InvalidInput, match="already resumed"):
        await resume(desk.client, desk.store, Catalogue.load([AGENTS]), handle.id, by="kim")
    sweeper = Sweeper(desk.client, desk.store, only=frozenset({handle.id}))
    assert (await sweeper.sweep()).added == []
    down.touch()  # and it fails again after another reset: the same letter is open again
    await reset(desk, latest(desk, handle.id), before="stock_or_not")

    async def failed() -> bool:
        return (await letters.get(handle.id)).state is DeadLetterState.OPEN

    await eventually(failed)
    assert len(await letters.listed()) == 1


async def test_a_stuck_run_that_is_mended_by_a_reset_is_stuck_no_more(desk: Desk) -> None:
    """A reset terminates the execution before, so that the run is listed among those that ended badly, too."""
    letters, sweeper = DeadLetters(desk.store), None
    handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 90}}]})
    await pending(handle)
    await letters.add(DeadLetter(run=handle.id, cause=DeadLetterCause.STUCK, failed_at=datetime.now(UTC)))
    await reset(desk, handle)
    await pending(latest(desk, handle.id))
    sweeper = Sweeper(desk.client, desk.store, only=frozenset({handle.id}))

    async def listed() -> bool:
        return (await sweeper.sweep()).looked_at == 1

    await eventually(listed)
    assert (await letters.get(handle.id)).state is DeadLetterState.RESUMED
    await latest(desk, handle.id).terminate("enough")
