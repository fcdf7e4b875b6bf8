"""The guardrail `output.personal`: nobody reads personal data in an answer that isn't theirs to read."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.evidence import Evidence
from activities.guardrails.pii.entitling import Entitled
from activities.guardrails.pii.finding import Detector, as_seen, beside, detectors, find
from activities.guardrails.pii.found import Found
from activities.guardrails.presidio.analysing import Sought, analyser
from plangate.guardrails import ALWAYS, PersonalData, PersonalKind
from plangate.policy import Action, Verdict

_WORDS = {
    PersonalKind.SECRET: ("secret", "secrets"),
    PersonalKind.CARD: ("card number", "card numbers"),
    PersonalKind.IBAN: ("account number", "account numbers"),
    PersonalKind.EMAIL: ("e-mail address", "e-mail addresses"),
    PersonalKind.PHONE: ("phone number", "phone numbers"),
    PersonalKind.NATIONAL_ID: ("identity number", "identity numbers"),
    PersonalKind.BIRTH_DATE: ("date of birth", "dates of birth"),
    PersonalKind.IP: ("IP address", "IP addresses"),
    PersonalKind.ADDRESS: ("postal address", "postal addresses"),
}
_ENTITIES = {
    "PERSON": ("name", "names"),
    "LOCATION": ("place", "places"),
    "ORGANIZATION": ("organisation", "organisations"),
    "NRP": ("nationality or group", "nationalities or groups"),
    "DATE_TIME": ("date or time", "dates or times"),
    "URL": ("link", "links"),
}
"""What Presidio finds most, in words; the others are called by its names."""


def protect(answered: Answered) -> Changed | Verdict | None:
    """Redact or refuse, as the scope says; secrets and card numbers whatever it says."""
    settings = answered.agent.scope.guardrails
    allowed = settings.personal_data is PersonalData.ALLOWED
    looked_for = ALWAYS if allowed else ALWAYS | settings.personal_kinds
    using = tuple(each for each in _detectors(settings.phone_regions) if each.kind in looked_for)
    found = find(answered.text, using)
    if not allowed:
        found = sorted([*found, *_besides(answered, found)], key=lambda each: each.start)
    if any(each.kind not in ALWAYS for each in found):
        entitled = _entitled(answered, using)
        found = [each for each in found if each.kind in ALWAYS or not entitled.to(each)]
    if not found:
        return None
    counted = Counter(each.kind for each in found)
    first = next((kind for kind in _WORDS if kind in counted), min(counted))
    detail = ", ".join(f"{n} {_words(kind)[n != 1]}" for kind, n in sorted(counted.items()))
    rule = f"pii.{first.replace(' ', '_')}" if first in _WORDS else f"pii.presidio.{first.lower()}"
    if settings.personal_data is PersonalData.REFUSED:
        reason = "The answer held personal data that may not be told, so it is not shown."
        return Verdict(action=Action.BLOCK, rule=rule, reason=reason, detail=detail)
    reason = "Personal data that may not be told was taken out of the answer."
    return Changed(
        _redacted(answered.text, found), Verdict(action=Action.CHANGE, rule=rule, reason=reason, detail=detail)
    )


@lru_cache(maxsize=32)
def _detectors(regions: tuple[str, ...]) -> tuple[Detector, ...]:
    return detectors(regions)


def _besides(answered: Answered, found: list[Found]) -> list[Found]:
    """What Presidio finds besides, where the agent wants it: our own detectors come first where both find something."""
    sought = Sought.by(answered.agent.scope, answered.agent.settings)
    if sought is None:
        return []
    memo = answered.evidence.memo if isinstance(answered.evidence, Evidence) else {}
    known = memo.setdefault("presidio", {}).setdefault(sought, {})
    more = as_seen(answered.text, lambda plain: analyser(sought).find(plain, known))
    return beside(found, more, answered.text)


def _entitled(answered: Answered, using: tuple[Detector, ...]) -> Entitled:
    """What the person who asks may read: the same for each beginning of an answer."""
    if not isinstance(answered.evidence, Evidence):
        raise TypeError("an answer with personal data can't be judged without evidence")
    known: dict[Any, Entitled] = answered.evidence.memo.setdefault("entitled", {})
    own = f"{answered.agent.scope.text}\n{answered.agent.responder_prompt}"
    if (own, using) not in known:
        known[own, using] = Entitled(answered.evidence, own, using)
    return known[own, using]


def _words(kind: PersonalKind | str) -> tuple[str, str]:
    """One and several of a kind, as people read them."""
    if isinstance(kind, PersonalKind):
        return _WORDS[kind]
    plain = kind.replace("_", " ")
    return _ENTITIES.get(kind, (plain, plain))


def _redacted(text: str, found: list[Found]) -> str:
    parts, at = [], 0
    for each in found:
        parts += [text[at : each.start], f"[{_words(each.kind)[0]} removed]"]
        at = each.end
    return "".join([*parts, text[at:]])
