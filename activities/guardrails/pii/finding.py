"""Finds personal data and secrets in a text: every detector, and which one wins where two overlap."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from activities.guardrails.pii.contacts import emails, ip_addresses
from activities.guardrails.pii.found import Found
from activities.guardrails.pii.ids import national_ids
from activities.guardrails.pii.money import cards, ibans
from activities.guardrails.pii.people import birth_dates, postal_addresses
from activities.guardrails.pii.phones import phones
from activities.guardrails.pii.tokens import secrets
from plangate.guardrails import PersonalKind

_WORDS = re.compile(r"[^\W_](?:.*[^\W_])?", re.DOTALL)


@dataclass(frozen=True)
class Detector:
    """One way of finding one kind."""

    kind: PersonalKind
    find: Callable[[str], Iterable[Found]]


def detectors(regions: Sequence[str]) -> tuple[Detector, ...]:
    """Every detector; where two find the same text, the earlier one wins.

    Args:
        regions: Countries whose phone numbers are found in their national form too.
    """
    return (
        Detector(PersonalKind.SECRET, secrets),
        Detector(PersonalKind.IBAN, ibans),
        Detector(PersonalKind.CARD, cards),
        Detector(PersonalKind.EMAIL, emails),
        Detector(PersonalKind.NATIONAL_ID, national_ids),
        Detector(PersonalKind.BIRTH_DATE, birth_dates),
        Detector(PersonalKind.IP, ip_addresses),
        Detector(PersonalKind.PHONE, partial(phones, regions=tuple(regions))),
        Detector(PersonalKind.ADDRESS, postal_addresses),
    )


_HIDES = re.compile(
    "[*`\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\uff01-\uff5e"
    "\U000e0000-\U000e01ef]"
)
"""What an answer can have inside a number or an address although people read on over it: invisible characters, marks of
Markdown, wide forms."""
_WIDE = 0xFEE0


def find(text: str, using: Iterable[Detector]) -> list[Found]:
    """What there is, in its order, without overlaps; also where what people don't see stands in between."""
    return as_seen(text, lambda plain: _find(plain, using))


def as_seen(text: str, look: Callable[[str], list[Found]]) -> list[Found]:
    """What is found in a text as people read it, with its places in the text as it stands."""
    if _HIDES.search(text) is None:
        return look(text)
    seen = [(at, char) for at, char in enumerate(text) if "\uff01" <= char <= "\uff5e" or not _HIDES.match(char)]
    plain = "".join(chr(ord(char) - _WIDE) if "\uff01" <= char <= "\uff5e" else char for _, char in seen)
    return [replace(each, start=seen[each.start][0], end=seen[each.end - 1][0] + 1) for each in look(plain)]


def _find(text: str, using: Iterable[Detector]) -> list[Found]:
    kept: list[Found] = []
    for detector in using:
        for each in detector.find(text):
            if all(each.end <= other.start or each.start >= other.end for other in kept):
                kept.append(each)
    return sorted(kept, key=lambda each: each.start)


def beside(kept: Sequence[Found], more: Iterable[Found], text: str) -> list[Found]:
    """What is left of other findings where none of these stands, in its order.

    Args:
        kept: What stays as it is.
        more: What gives way; a part of it that is left has the key of the whole.
        text: The text, to see that a part has a letter or digit in it.
    """
    left: list[Found] = []
    for each in more:
        at = each.start
        for other in sorted([*kept, *left], key=lambda found: found.start):
            if other.end > at and other.start < each.end:
                left += _part(each, at, other.start, text)
                at = max(at, other.end)
        left += _part(each, at, each.end, text)
    return sorted(left, key=lambda each: each.start)


def _part(whole: Found, start: int, end: int, text: str) -> list[Found]:
    words = _WORDS.search(text, start, end) if start < end else None
    return [Found(whole.kind, words.start(), words.end(), whole.key)] if words else []
