"""An approval has an end, also for a call that was approved in time and then had to wait for its turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.checked import Checked
from activities.tool_calls import ToolActivities
from plangate.pacing import Wait
from plangate.runs import Outcome, StepStatus
from plangate.tasks import CallResult
from tests.workflows import desk as desks
from tests.workflows.desk import pending, result_of
from tests.workflows.limited import limited

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_approval_that_expires_while_its_call_waits_for_its_turn_is_not_used(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def early(*_: ToolActivities | Checked) -> CallResult:
        return CallResult(early=Wait(dependency="bank", why="60 requests a minute", seconds=1))

    monkeypatch.setattr(ToolActivities, "_when_free", early)
    async with desks.desk(client, tmp_path, agents=limited(tmp_path, Time_to_decide="5 seconds")) as desk:
        handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 90}}]})
        (gate,) = await pending(handle)
        await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})
        result = await result_of(handle)
        assert result.error is not None
        assert (result.outcome, [each.status for each in result.steps]) == (Outcome.FAILED, [StepStatus.FAILED])
        assert "expired before the call began" in result.error.message
