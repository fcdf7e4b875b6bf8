"""A run whose workflow task fails again and again: a server of the test's own, which reports it soon."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.catalogue import Catalogue
from activities.storage.dead_letters import RECOVERED, DeadLetters
from plangate.approvals import ApprovalDecision
from plangate.dead_letters import DeadLetterCause, DeadLetterState, Deed
from plangate.run_status import RunResult
from plangate.runs import Outcome
from tests.workflows import desk as desks
from tests.workflows.desk import AGENTS, eventually, result_of
from workers.dead_letters.resume import resume
from workers.sweeper import Sweeper


@workflow.defn(name="AgentRun", sandboxed=False)
class Broken:
    """A deployment with a bug."""

    @workflow.run
    async def run(self, input: Any) -> None:
        """Raise what isn't a failure of the run."""
        raise RuntimeError("a bug")


async def test_a_stuck_run_gets_a_letter_and_is_resumed(tmp_path: Path) -> None:
    soon = {"system__numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "1"}
    async with desks.local_server(**soon) as environment, desks.desk(environment.client, tmp_path) as desk:
        client, queue, run = environment.client, f"broken-{uuid.uuid4().hex[:8]}", "stuck-1"
        broken = Worker(client, task_queue=queue, workflows=[Broken], workflow_runner=UnsandboxedWorkflowRunner())
        letters, sweeper = DeadLetters(desk.store), Sweeper(client, desk.store)
        async with broken:
            input = {"agent": "desk", "request": "x", "plan": {"steps": [{"id": "a", "tool": "look"}]}}
            await client.start_workflow("AgentRun", input, id=run, task_queue=queue)

            async def noted() -> bool:
                return run in (await sweeper.sweep()).added

            await eventually(noted)
        letter = await letters.get(run)
        assert (letter.cause, letter.request) == (DeadLetterCause.STUCK, "x")
        assert "fails again and again" in letter.error.message
        assert (await sweeper.sweep()).added == []
        desk.model.script("fine")
        done = await resume(client, desk.store, Catalogue.load([AGENTS]), run, by="kim", queue=desk.task_queue)
        result = await result_of(client.get_workflow_handle(done.run, result_type=RunResult))
        assert result.outcome is Outcome.COMPLETED
        assert (await client.get_workflow_handle(run).describe()).status.name == "TERMINATED"  # type: ignore[union-attr]
        assert (await sweeper.sweep()).added == []
        assert (await letters.get(run)).state is DeadLetterState.RESUMED


async def test_a_run_that_recovers_and_sticks_again_has_its_letter_opened_again(tmp_path: Path) -> None:
    """And one that is terminated after it has recovered is a dead letter too: always the same one."""
    soon = {"system__numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "1"}
    async with desks.local_server(**soon) as environment, desks.desk(environment.client, tmp_path) as desk:
        client, run = environment.client, "stuck-2"
        letters, sweeper = DeadLetters(desk.store), Sweeper(client, desk.store)
        steps = [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}]
        handle = await desk.start(plan={"steps": steps}, id=run)
        await desks.pending(handle)
        bug = RuntimeError("a bug")

        def broken(*_: Any) -> None:
            raise bug

        async def swept(what: str) -> None:
            async def once() -> bool:
                return run in getattr(await sweeper.sweep(), what)

            await eventually(once)

        for what in ("added", "reopened"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ApprovalDecision, "model_validate", broken)
                await handle.signal("approve", {"approval": "p", "digest": "0" * 64, "by": what})
                await swept(what)
            assert (await letters.get(run)).state is DeadLetterState.OPEN
            if what == "added":
                await swept("recovered")
                assert (await letters.get(run)).state is DeadLetterState.RESUMED
        await letters.settle(run, DeadLetterState.RESUMED, Deed(at=datetime.now(UTC), action=RECOVERED))
        letter = await letters.get(run)
        assert [deed.action for deed in letter.history] == ["recovered", "opened again", "recovered"]
        assert letter.error.message.endswith("(time 2)")
        await handle.terminate("enough")
        await swept("added")
        letter = await letters.get(run)
        assert (letter.state, letter.cause) == (DeadLetterState.OPEN, DeadLetterCause.TERMINATED)
        assert len(await letters.listed()) == 1
