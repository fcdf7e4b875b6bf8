"""The guardrail `output.grounding`: what an answer says must occur in what it may rely on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from activities.guardrails.belonging import mixed_up, not_theirs
from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.facts import Fact, facts_in, sentences
from activities.guardrails.saying import unknown_names, wrong_states
from activities.guardrails.supporting import supporting, unsupported
from plangate.guardrails import PersonalData, Unsupported
from plangate.policy import Action, Verdict

MOST = 10
"""Unsupported facts that get a verdict of their own."""
_OF_OTHERS = "belonging"
_ABBREVIATED = re.compile(r"\.\w\.$")


@dataclass(frozen=True)
class Missing:
    """Something in an answer that nothing supports.

    Attributes:
        rule: The end of the rule's id.
        start: Where it stands.
        shown: It, for people; of an address or a long number only the end, since verdicts hold no personal data.
    """

    rule: str
    start: int
    shown: str


def grounded(answered: Answered) -> Changed | list[Verdict] | None:
    """Flag, take out or refuse what nothing supports, as the scope says; what is of others is always taken out."""
    missing = list(missing_in(answered))
    if not missing:
        return None
    then = answered.agent.scope.guardrails.unsupported
    others = [each for each in missing if each.rule == _OF_OTHERS]
    if then is Unsupported.REFUSED:
        return [_verdict(each, Action.BLOCK) for each in _once(missing)]
    if then is Unsupported.REMOVED or others:
        taken = missing if then is Unsupported.REMOVED else others
        detail = ", ".join(dict.fromkeys(f"{each.rule} {each.shown}" for each in _once(missing)))
        verdict = _verdict(taken[0], Action.CHANGE).model_copy(update={"detail": detail})
        doubt = "a sentence was taken out, since nothing supports what it says"
        return Changed(without(answered.text, [each.start for each in taken]), verdict, (doubt,))
    return [_verdict(each, Action.CHANGE) for each in _once(missing)]


def _once(missing: list[Missing]) -> list[Missing]:
    """Each thing once, and not too many of them."""
    return list({(each.rule, each.shown.casefold()): each for each in reversed(missing)}.values())[::-1][:MOST]


def missing_in(answered: Answered) -> Iterator[Missing]:
    """What an answer says that nothing supports, in every place where it says so."""
    text, facts = answered.text, facts_of(answered.text)
    places = list(sentences(text))
    by_sentence = [[fact for fact in facts if start <= fact.start < end] for start, end in places]
    yield from (Missing(fact.sort.value, fact.start, shown(fact)) for fact in unsupported(facts, supporting(answered)))
    yield from (Missing("mixed-up", fact.start, shown(fact)) for fact in mixed_up(answered, by_sentence))
    yield from _sayings(answered, places)
    yield from (Missing(_OF_OTHERS, fact.start, shown(fact)) for fact in _others(answered, by_sentence))


def _sayings(answered: Answered, places: list[tuple[int, int]]) -> Iterator[Missing]:
    for start, end in places:
        sentence = answered.text[start:end]
        for at, name in wrong_states(answered, sentence):
            yield Missing("state", start + at, name)
        for at, name in unknown_names(answered, sentence):
            yield Missing("name", start + at, name)


def _others(answered: Answered, by_sentence: list[list[Fact]]) -> Iterator[Fact]:
    """Nothing where the owner lets answers hold everybody's data."""
    if answered.agent.scope.guardrails.personal_data is not PersonalData.ALLOWED:
        yield from not_theirs(answered, by_sentence)


@lru_cache(maxsize=16)
def facts_of(text: str) -> tuple[Fact, ...]:
    """The facts of an answer, read once for all that look at them."""
    return facts_in(text)


def without(text: str, places: list[int]) -> str:
    """The text without the sentences in which these places are."""
    kept = [text[start:end] for start, end in sentences(text) if not any(start <= place < end for place in places)]
    return "".join(kept).strip()


def _verdict(missing: Missing, action: Action) -> Verdict:
    of_others = missing.rule == _OF_OTHERS
    return Verdict(
        action=action,
        rule=f"grounding.{missing.rule}",
        reason="A part of the answer was about somebody else."
        if of_others
        else "A part of the answer could not be checked against what was found.",
        detail=f"{missing.rule} {missing.shown}",
    )


def shown(fact: Fact) -> str:
    """The fact; of an address only its domain, and of a long number only its end."""
    text = _alone(fact.text)
    if "@" in text:
        return f"…@{text.rpartition('@')[2]}"
    if sum(char.isdigit() for char in text) > 8 and not fact.date:
        return f"…{text[-3:]}"
    return text if len(text) <= 60 else f"{text[:60]}…"


def _alone(text: str) -> str:
    """Without the full stop of the sentence in which it stood; `10 a.m.` keeps its own."""
    return text if _ABBREVIATED.search(text) else text.rstrip(".,;:!?…") or text
