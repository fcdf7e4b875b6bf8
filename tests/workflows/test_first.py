from __future__ import annotations

import pytest

from plangate.runs import Outcome
from tests.workflows.desk import Desk, pending, result_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_planned_run_completes(desk: Desk) -> None:
    plan = {
        "goal": "see",
        "steps": [
            {"id": "a", "tool": "look", "args": {"value": {"n": 1}}},
            {"id": "b", "tool": "look", "args": {"value": {"$ref": "a.n"}}},
        ],
    }
    desk.model.script(plan, "It is 1.")
    result = await desk.run("what is it?")
    assert result.outcome is Outcome.COMPLETED, result
    assert result.answer == "It is 1."
    assert result.usage.calls == 2


async def test_a_gate_opens_and_approval_goes_on(desk: Desk) -> None:
    plan = {"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}]}
    desk.model.script("Paid.")
    handle = await desk.start(plan=plan)
    (gate,) = await pending(handle)
    assert gate.args == {"to": "ann", "amount": 30.0, "note": "none"}
    await handle.signal("approve", {"approval": gate.call, "digest": gate.digest, "by": "kim"})
    result = await result_of(handle)
    assert result.outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="pay")) == 1
    print(result.summary)
