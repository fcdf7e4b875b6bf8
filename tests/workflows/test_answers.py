"""Answers of a model that makes something up, through a whole run."""

from __future__ import annotations

from typing import Any

import pytest

from plangate.runs import Outcome
from tests.workflows.desk import Desk, pending, result_of

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
    assert result.confidence is not None
    assert result.confidence < 0.5
