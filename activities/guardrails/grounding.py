"""The guardrail `output.grounding`: facts of an answer must occur in what the answer may rely on."""

from __future__ import annotations

from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.facts import Fact, facts_in, sentences
from activities.guardrails.supporting import supporting, unsupported
from plangate.guardrails import Unsupported
from plangate.policy import Action, Verdict

MOST = 10
"""Unsupported facts that get a verdict of their own."""


def grounded(answered: Answered) -> Changed | list[Verdict] | None:
    """Flag, take out or refuse what nothing supports, as the scope says."""
    missing = unsupported(facts_in(answered.text), supporting(answered))
    if not missing:
        return None
    then = answered.agent.scope.guardrails.unsupported
    if then is Unsupported.REFUSED:
        return [_verdict(fact, Action.BLOCK) for fact in missing[:MOST]]
    if then is Unsupported.REMOVED:
        first = _verdict(missing[0], Action.CHANGE)
        detail = ", ".join(dict.fromkeys(f"{fact.sort.value} {_shown(fact)}" for fact in missing[:MOST]))
        verdict = first.model_copy(update={"detail": detail})
        doubt = "a sentence was taken out, since nothing supports what it says"
        return Changed(without(answered.text, [fact.start for fact in missing]), verdict, (doubt,))
    return [_verdict(fact, Action.CHANGE) for fact in missing[:MOST]]


def without(text: str, places: list[int]) -> str:
    """The text without the sentences in which these places are."""
    kept = [text[start:end] for start, end in sentences(text) if not any(start <= place < end for place in places)]
    return "".join(kept).strip()


def _verdict(fact: Fact, action: Action) -> Verdict:
    return Verdict(
        action=action,
        rule=f"grounding.{fact.sort.value}",
        reason="A part of the answer could not be checked against what was found.",
        detail=f"{fact.sort.value} {_shown(fact)}",
    )


def _shown(fact: Fact) -> str:
    """The value; of an address only its domain, since verdicts hold no personal data."""
    if "@" in fact.text:
        return f"…@{fact.text.rpartition('@')[2]}"
    return fact.text if len(fact.text) <= 60 else f"{fact.text[:60]}…"
