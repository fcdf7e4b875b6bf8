"""An effect whose outcome nobody knows ends the run as failed, whatever else happens to the run meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowHandle

from activities.storage.dead_letters import DeadLetters
from plangate.errors import ErrorType
from plangate.run_status import RunResult
from plangate.runs import Outcome, StepStatus
from tests.workflows.desk import Desk, eventually, result_of, status_of

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


HAND_OVER = {"id": "d", "tool": "hand_over", "args": {"what": "it"}}
FAIL = {"tool": "fail", "args": {"how": "permanent"}}


async def after_failures(desk: Desk, handle: WorkflowHandle[Any, RunResult], count: int = 1) -> RunResult:
    """Let the effect end without an answer when others have failed."""

    async def failed() -> bool:
        return sum(each.status is StepStatus.FAILED for each in (await status_of(handle)).steps) >= count

    await eventually(failed)
    desk.say("it")
    return await result_of(handle)


@pytest.mark.parametrize("planned", [True, False], ids=["by a model", "by the caller"])
async def test_another_step_that_failed_before_changes_nothing(desk: Desk, *, planned: bool) -> None:
    """The plan is not revised: the next one might do it again."""
    plan = {"goal": "g", "steps": [HAND_OVER, {"id": "f", **FAIL}]}
    desk.model.script(plan, {"goal": "g", "steps": [{**HAND_OVER, "id": "again"}]}, "fine")
    handle = await desk.start(plan=None if planned else plan)
    await is_left_to_a_person(desk, await after_failures(desk, handle), "d")
    assert len(desk.effects(tool="hand_over")) == 1


async def test_a_limit_that_was_reached_before_changes_nothing(desk: Desk) -> None:
    """Otherwise a person would take over who isn't asked whether it happened."""
    others = [{"id": f"f{number}", **FAIL, "optional": True} for number in range(4)]
    handle = await desk.start(plan={"steps": [HAND_OVER, *others]})
    await is_left_to_a_person(desk, await after_failures(desk, handle, 4), "d")


async def test_another_item_that_failed_before_changes_nothing(desk: Desk) -> None:
    """`refused` fails for sure while `it` is under way."""
    items = {"id": "d", "tool": "hand_over", "args": {"what": {"$ref": "item"}}, "for_each": "input.items"}
    handle = await desk.start(plan={"steps": [items]}, input={"items": ["it", 5]})

    async def failed() -> bool:
        return ("d.0", "intended") in await ledger(desk)

    await eventually(failed)
    desk.say("it")
    result = await result_of(handle)
    assert result.error is not None
    assert (result.outcome, result.error.type) == (Outcome.FAILED, ErrorType.OUTCOME_UNKNOWN)
