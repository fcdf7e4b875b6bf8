"""A run whose workflow task fails again and again: a server of the test's own, which reports it soon."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.catalogue import Catalogue
from activities.storage.dead_letters import DeadLetters
from plangate.dead_letters import DeadLetterCause, DeadLetterState
from plangate.runs import Outcome, RunResult
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
