"""An answer that an output guardrail refuses: the run ends, and people read the plain answer and why."""

from __future__ import annotations

import pytest

from activities import responding
from activities.guardrails.contracts import Answered, Guardrail, Said
from plangate.policy import Action, Verdict
from plangate.runs import Outcome
from tests.workflows.desk import Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")


def no_cats(answered: Answered) -> Said:
    return Verdict(action=Action.BLOCK, rule="cats.any", reason="No cats here.") if "cat" in answered.text else None


async def test_a_refused_answer_becomes_the_plain_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guardrail("output.cats", no_cats, ("cats.",), "No cats.")
    monkeypatch.setattr(responding, "OUTPUT", (guard,))
    desk.model.script("The cat has it.")
    result = await desk.run(plan={"steps": [{"id": "a", "tool": "look", "args": {"value": 1}}]}, input={"n": 1})
    assert result.outcome is Outcome.DEGRADED
    assert result.answer.startswith("No cats here.\n\nHere is what was done.\nDone:\n- ")
    assert "cat has" not in result.model_dump_json()
    assert [(verdict.guard, verdict.action) for verdict in result.verdicts] == [("output.cats", Action.BLOCK)]
    assert "refused by cats.any: No cats here" in result.summary


async def test_another_customers_data_is_taken_out(desk: Desk) -> None:
    desk.model.script("Ask tom@example.com, card 4111 1111 1111 1111. You are kim@example.com.")
    plan = {"steps": [{"id": "a", "tool": "look", "args": {"value": {"email": "tom@example.com"}}}]}
    result = await desk.run(plan=plan, user="kim@example.com")
    assert result.answer == "Ask [e-mail address removed], card [card number removed]. You are kim@example.com."
    assert [(verdict.guard, verdict.rule) for verdict in result.verdicts] == [("output.personal", "pii.cards")]
    assert "noted by pii.cards: " in result.summary
    assert "1 card number, 1 e-mail address" in result.summary


@pytest.mark.parametrize("judged", [True, False])
async def test_an_answer_that_no_model_wrote_is_judged_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, judged: bool
) -> None:
    """It quotes the planner's titles and the tools' errors, and these can quote records."""
    if not judged:

        def broken(answered: Answered) -> Said:
            raise ValueError("broken")

        monkeypatch.setattr(responding, "PLAIN", (Guardrail("output.personal", broken, ("pii.",), "Broken."),))
    title = "Ask tom@example.com about 4111 1111 1111 1111, not kim@example.com"
    result = await desk.run(
        plan={"steps": [{"id": "a", "title": title, "tool": "fail", "args": {"how": "business"}}]},
        user="kim@example.com",
    )
    assert result.outcome is Outcome.FAILED
    if judged:
        assert "Ask [e-mail address removed] about [card number removed], not kim@example.com" in result.answer
        assert [verdict.rule for verdict in result.verdicts] == ["pii.cards"]
    else:
        assert result.answer.startswith("Your request could not be finished, and what became of it could not")
