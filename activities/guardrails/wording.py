"""The guardrail `output.wording`: what is never said or promised, where links lead, how long an answer is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.facts import Sort, facts_in, sentences
from activities.guardrails.grounding import without
from plangate.policy import Action, Verdict

_PROMISE = re.compile(
    r"\b(?:I|we|you|you'll|you’ll)\b.{0,40}?\b(?:will|shall|can|promise|guarantee|offer|give|get|send|add|arrange|include|receive"
    r"|have|treat|entitled)\b|\b(?:I|we|you)['’](?:ll|ve)\b|\b(?:here is|enjoy|as a|your|take)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not|never|no|cannot|unable|nor|without|sorry)\b|n['’]t\b", re.IGNORECASE)


def worded(answered: Answered) -> Changed | None:
    """Take out the sentences that break a rule, and what is longer than allowed."""
    rules, text = answered.agent.scope.guardrails, answered.text
    broken: list[tuple[str, str]] = []
    places: list[int] = []
    for start, end in sentences(text):
        sentence = text[start:end]
        found = (
            _phrase(sentence, rules.never_says)
            or _promise(sentence, rules.promises)
            or _link(sentence, rules.link_domains)
        )
        if found:
            broken.append(found)
            places.append(start)
    text = without(text, places) if places else text
    most = rules.answer_characters
    if most is not None and len(text) > most:
        broken.append(("length", f"{len(text):,} characters; at most {most:,}"))
        text = _cut(text, most)
    if not broken:
        return None
    rule, _ = broken[0]
    verdict = Verdict(
        action=Action.CHANGE,
        rule=f"wording.{rule}",
        reason="A part of the answer was taken out, as the owner's page says.",
        detail="; ".join(dict.fromkeys(f"{name}: {what}" for name, what in broken)),
    )
    return Changed(text, verdict, ("a part of the answer was taken out by a rule about wording",))


def _phrase(sentence: str, phrases: Sequence[str]) -> tuple[str, str] | None:
    found = next((phrase for phrase in phrases if _has(sentence, phrase)), None)
    return ("phrase", repr(found)) if found else None


def _promise(sentence: str, promises: Sequence[str]) -> tuple[str, str] | None:
    """A promise of one of these things. Questions and refusals promise nothing."""
    if not promises or sentence.rstrip().endswith("?") or _NOT.search(sentence) or not _PROMISE.search(sentence):
        return None
    found = next((promise for promise in promises if _has(sentence, promise)), None)
    return ("promise", repr(found)) if found else None


def _link(sentence: str, domains: Sequence[str] | None) -> tuple[str, str] | None:
    """A link to a domain that isn't listed; with no list, any link will do that grounding has nothing against."""
    if domains is None or not ("://" in sentence or "www." in sentence.casefold()):
        return None
    for fact in facts_in(sentence):
        if fact.sort is Sort.LINK:
            host = (urlsplit(fact.text if "://" in fact.text else f"//{fact.text}").hostname or "").casefold()
            if not any(host == domain or host.endswith(f".{domain}") for domain in domains):
                return ("link", host)
    return None


def _has(text: str, phrase: str) -> bool:
    """Whether the words occur, whatever their case and spaces; a plural or genitive `s` doesn't matter."""
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    return bool(re.search(rf"(?<!\w){words}(?:['’]?s)?(?!\w)", text, re.IGNORECASE))


def _cut(text: str, most: int) -> str:
    """The whole sentences that fit; where not one does, the words that do."""
    ends = [end for _, end in sentences(text) if len(text[:end].rstrip()) <= most]
    if ends:
        return text[: ends[-1]].rstrip()
    cut = text[: max(most - 1, 1)]
    space = cut.rfind(" ")
    return f"{cut[:space] if space > 0 else cut}…"
