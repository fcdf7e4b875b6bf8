"""The guardrail `output.schema`: where the agent declares a schema, an answer fits it or isn't shown."""

from __future__ import annotations

from activities.guardrails.contracts import Answered
from plangate.answer_schema import mistakes_of
from plangate.policy import Action, Verdict


def shaped(answered: Answered) -> Verdict | None:
    """Refuse what is not JSON of the declared shape. It is asked last: what others took out may have broken it."""
    schema = answered.agent.settings.answer_schema
    mistakes = mistakes_of(schema, answered.text) if schema is not None else []
    if not mistakes:
        return None
    return Verdict(
        action=Action.BLOCK,
        rule="schema.shape",
        reason="The answer did not have the form that it has to have, so it is not shown.",
        detail="; ".join(mistakes),
    )
