"""The guardrail `input.normalise`: text as people read it, without what only machines see.

Compatibility forms become plain letters (NFKC), and what is invisible goes: bidirectional marks, zero-width characters,
tag characters, control characters. Joiners stay where a script or an emoji needs them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import chain

from activities.guardrails.contracts import Asked, Changed
from plangate.policy import Action, Verdict

_GROUPS = {
    "tag characters": r"[\U000e0000-\U000e007f]",
    "bidirectional marks": r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]",
    "zero-width characters": r"[\u180e\u200b\u2060-\u2064\ufeff]",
    "soft hyphens": r"\u00ad",
    "fillers": r"[\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800]",
    "deprecated format characters": r"[\u206a-\u206f\ufff9-\ufffb\U0001d173-\U0001d17a]",
    "control characters": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]",
    "variation selectors": r"[\U000e0100-\U000e01ef]",
    "private characters": r"[\ue000-\uf8ff\U000f0000-\U0010fffd]",
    "half characters": r"[\ud800-\udfff]",
}
_ANY = re.compile("|".join(_GROUPS.values()))
_NAMED = {name: re.compile(pattern) for name, pattern in _GROUPS.items()}

_JOINERS = re.compile(r"[\u200c\u200d]+")
_SELECTORS = re.compile(r"[\ufe00-\ufe0f]{2,}")
_FLAG = re.compile(r"\U0001f3f4[\U000e0020-\U000e007e]{1,7}\U000e007f")
"""The flags of England, Scotland and Wales are spelled with tag characters."""
_NEEDS_JOINERS = re.compile(
    r"[\u0600-\u06ff\u0700-\u074f\u0750-\u077f\u07c0-\u07ff\u08a0-\u08ff"  # Arabic (Persian, Urdu), Syriac, N'Ko
    r"\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u1800-\u18af"  # Indic scripts, Burmese, Khmer, Mongolian
    r"\U00010a00-\U00010a5f\U00011000-\U0001107f]"
)
_EMOJI = re.compile(
    r"[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u2600-\u27bf\u2934-\u2935\u2b05-\u2b55\u3030"
    r"\u303d\u3297\u3299\U0001f000-\U0001faff\ufe0f]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What ASCII has of them."""
_IDLE_JOINERS = "idle joiners"
_PILE = 31
"""Accents in a row that are one too many."""
_WIDE_SPACES = "\u2028\u2029\x85"
_MARKS = re.compile(
    r"([\u0300-\u036f\u0489\u1ab0-\u1aff\u20d0-\u20ff]{4})[\u0300-\u036f\u0489\u1ab0-\u1aff\u20d0-\u20ff]+"
)
"""More than four marks on one letter: no language writes so."""


def normalise(asked: Asked) -> Changed | None:
    """Give the text as people read it, and say what was taken out. What the person wrote stays in the run's request."""
    text, changes = normalised(asked.text)
    if text == asked.text:
        return None
    verdict = Verdict(
        action=Action.CHANGE,
        rule="normalise.text",
        reason="Characters that nobody can see, or that stand for other ones, were replaced.",
        detail=", ".join(changes) or "compatibility forms",
    )
    return Changed(text, verdict)


def normalised(text: str) -> tuple[str, list[str]]:
    """The text as people read it, and how many characters of which kind were taken out."""
    if text.isascii() and not _CONTROL.search(text):
        return text, []
    removed: Counter[str] = Counter()
    flags = _FLAG.findall(text)
    between = [_plain(part, removed) for part in _FLAG.split(text)]
    text = "".join(chain.from_iterable(zip(between, [*flags, ""], strict=True)))
    return text, [f"{removed[name]} {name}" for name in (*_GROUPS, _IDLE_JOINERS) if removed[name]]


def _plain(text: str, removed: Counter[str]) -> str:
    """A text without flags as people read it; counts what is taken out."""
    if unseen := _ANY.findall(text):
        for char, count in Counter(unseen).items():
            removed[next(name for name, pattern in _NAMED.items() if pattern.match(char))] += count
        text = _ANY.sub("", text)
    text, joiners = _without_idle_joiners(text)
    removed[_IDLE_JOINERS] += joiners
    for space in _WIDE_SPACES:
        text = text.replace(space, "\n")
    text = _SELECTORS.sub("", text)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", _without_piles(text))
    return _MARKS.sub(r"\1", text)


def _without_piles(text: str) -> str:
    """The text with at most 30 accents in a row, as Unicode's stream-safe text (UAX #15) has.

    Accents in a row are put into an order, which takes as long as the square of their number.
    """
    if not any(map(unicodedata.combining, text[::_PILE])):  # a longer row has one at such a place
        return text
    found, row = [], 0
    for char in text:
        row = row + 1 if unicodedata.combining(char) else 0
        if row <= _PILE - 1:
            found.append(char)
    return "".join(found)


def _without_idle_joiners(text: str) -> tuple[str, int]:
    """Without joiners that join nothing: they stay between letters of scripts that need them, and between emoji."""
    if "\u200c" not in text and "\u200d" not in text:
        return text, 0
    removed = 0

    def keep(found: re.Match[str]) -> str:
        nonlocal removed
        before = text[found.start() - 1 : found.start()]
        after = text[found.end() : found.end() + 1]
        if _NEEDS_JOINERS.match(before or " ") or (_joins_emoji(before) and _EMOJI.match(after or " ")):
            removed += len(found[0]) - 1
            return found[0][0]
        removed += len(found[0])
        return ""

    return _JOINERS.sub(keep, text), removed


def _joins_emoji(before: str) -> bool:
    return bool(before) and (_EMOJI.match(before) is not None or "\U0001f3fb" <= before <= "\U0001f3ff")
