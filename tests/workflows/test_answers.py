"""Answers of a model that makes something up, through a whole run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from plangate.runs import Outcome
from tests.workflows import desk as desks
from tests.workflows.desk import AGENTS, Desk, pending, result_of, status_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAN: dict[str, Any] = {"goal": "Look and pay", "steps": [
    {"id": "order", "tool": "look", "args": {"value": {"total": 62.0, "order": "4711"}}},
    {"id": "pay", "tool": "pay", "args": {"to": "rosa", "amount": 62.0}},
]}  # fmt: skip


async def test_a_made_up_amount_is_flagged_and_the_confidence_falls(desk: Desk) -> None:
    desk.model.script("Order 4711 cost 88.40 pounds.")
    result = await desk.run(plan={"goal": "Look", "steps": PLAN["steps"][:1]})
    assert result.outcome is Outcome.COMPLETED
    assert [(each.rule, each.detail) for each in result.verdicts] == [("grounding.amount", "amount 88.40 pounds")]
    assert (result.confidence, result.doubts) == (0.8, ["nothing supports amount 88.40 pounds"])
    assert "Confidence in the answer: 0.80" in result.summary


async def test_a_claim_of_what_a_person_rejected_becomes_the_plain_answer(desk: Desk) -> None:
    desk.model.script("Good news: we have paid 62.00 to rosa.")
    handle = await desk.start(plan=PLAN)
    (gate,) = await pending(handle)
    await handle.signal("reject", {"approval": gate.id, "by": "ada"})
    result = await result_of(handle)
    assert result.outcome is Outcome.REJECTED
    assert "Good news" not in result.answer
    assert "Not done:" in result.answer
    assert "claims.not-done" in [each.rule for each in result.verdicts]
    assert result.confidence == 0.5


ROWS = """
## Guardrails

| Guardrail | Setting |
|---|---|
| Facts that nothing supports | removed |
| Confidence under | 0.9 |

## When it stops
"""


async def test_an_answer_that_is_too_uncertain_goes_to_a_person(client: Client, tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    shutil.copytree(AGENTS, agents)
    scope = agents / "desk" / "scope.md"
    scope.write_text(scope.read_text("utf-8").replace("\n## When it stops\n", ROWS), "utf-8")
    plan = {"goal": "Look", "steps": PLAN["steps"][:1]}
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        desk.model.script("Order 4711 cost 62.00 pounds.", "Order 4711 is here. It cost 88.40 pounds.")
        certain = await desk.run(plan=plan)
        handle = await desk.start(plan=plan)
        result, status = await result_of(handle), await status_of(handle)
    assert (certain.outcome, certain.confidence, certain.verdicts) == (Outcome.COMPLETED, 1.0, [])
    assert (result.outcome, result.confidence) == (Outcome.ESCALATED, 0.8)
    assert "88.40" not in result.answer
    assert [each.rule for each in result.verdicts] == ["grounding.amount", "confidence.low"]
    assert "For the person who takes over" in result.summary
    assert "It stopped because The answer is not certain enough" in result.summary
    assert (status.confidence, status.doubts) == (0.8, result.doubts)
