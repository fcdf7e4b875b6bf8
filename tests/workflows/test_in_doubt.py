"""An effect whose outcome nobody knows ends the run as failed, whatever else happens to the run meanwhile."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from activities.storage.dead_letters import DeadLetters
from plangate.errors import ErrorType
from plangate.run_status import RunResult
from plangate.runs import Outcome
from tests.workflows.desk import Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ledger(desk: Desk) -> list[tuple[str, str]]:
    async with desk.store.reading() as connection:
        rows = await connection.execute(text("SELECT call, state FROM ledger ORDER BY call"))
        return [(row.call, row.state) for row in rows]


async def is_left_to_a_person(desk: Desk, result: RunResult, step: str) -> None:
    assert result.error is not None
    assert (result.outcome, result.error.type) == (Outcome.FAILED, ErrorType.OUTCOME_UNKNOWN)
    assert result.error.step == step
    (letter,) = await DeadLetters(desk.store).listed()
    assert (letter.run, letter.error.type, letter.error.step) == (result.run, ErrorType.OUTCOME_UNKNOWN, step)
    assert dict(await ledger(desk))[step] == "unknown"


async def test_patience_that_the_call_has_not_leaves_the_attempt_before_unknown(desk: Desk) -> None:
    """The last attempt had no effect for sure; a revised plan or a fallback would pay a second time."""
    instead = {"tool": "pay", "args": {"to": "ann", "amount": 5}}
    step = {"id": "l", "tool": "lend", "args": {"what": "x"}, "fallback": instead}
    desk.model.script({"goal": "g", "steps": [step]}, {"goal": "g", "steps": [{"id": "again", **instead}]}, "fine")
    result = await desk.run()
    await is_left_to_a_person(desk, result, "l")
    assert len(desk.effects(tool="lend")) == 2
    assert not desk.effects(tool="pay")
