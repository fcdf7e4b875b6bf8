"""The guardrails `input.text` and `input.size`: is it text at all, and is it short enough to be read?"""

from __future__ import annotations

import re
import unicodedata

from activities.guardrails.contracts import Asked, Changed
from activities.models.tokens import fits
from plangate.guardrails import TooLong
from plangate.policy import Action, Verdict

_WRONG = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010fffd\ufffd-\uffff]"
)
"""No text has these: control characters, lone surrogates, private use, what is no character, and the sign for what
couldn't be decoded."""
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")
"""Letters and signs that are drawn as nothing."""
_MOJIBAKE = re.compile(r"(?:[ÃÂâ][\u0080-\u00bf€™œžšŸ‚ƒ„…†‡ˆ‰‹‘’“”•–—˜›]){1,}|ï»¿")


def readable(asked: Asked) -> Verdict | None:
    """Refuse what is no text: nothing at all, binary data, a text decoded in the wrong encoding throughout."""
    text = asked.text
    if not text.strip():
        if asked.request.plan is not None:
            return None
        return _refused("text.empty", "The request is empty. Please write what you need.", "")
    if "\x00" in text or (text and len(_WRONG.findall(text)) > len(text) // 10):
        wrong = len(_WRONG.findall(text))
        return _refused(
            "text.unreadable", "The request is not readable text. Please write words.", f"{wrong} characters"
        )
    if not text.isascii():
        broken = sum(len(found) for found in _MOJIBAKE.findall(text)) if any(each in text for each in "ÃÂâï") else 0
        if len(text) > 1 and broken > len(text) // 5:
            return _refused(
                "text.encoding",
                "The request arrived in a broken encoding and can't be read. Please write it again as plain text.",
                f"{broken} of {len(text)} characters look like UTF-8 read as Latin-1",
            )
        if _invisible(text):
            return _refused("text.unreadable", "The request has no visible words. Please write what you need.", "")
    return None


def _invisible(text: str) -> bool:
    """Whether there is nothing that anybody could see."""
    return all(
        char.isspace() or char in _BLANK or unicodedata.category(char) in ("Cf", "Mn", "Me", "Cc") for char in text
    )


def within_size(asked: Asked) -> Verdict | Changed | None:
    """Hold the request to its limits of characters, bytes and tokens: refuse it, or cut it off if the scope says so."""
    scope = asked.agent.scope
    bounds, text = scope.guardrails, asked.text
    size = len(text.encode("utf-8", "replace"))
    wrong: list[tuple[str, str]] = []
    if len(text) > scope.limits.request_characters:
        wrong.append(("size.characters", f"{len(text):,} characters; at most {scope.limits.request_characters:,}"))
    if size > bounds.request_bytes:
        wrong.append(("size.bytes", f"{size:,} bytes; at most {bounds.request_bytes:,}"))
    if not wrong and not fits(text, bounds.request_tokens):
        wrong.append(("size.tokens", f"more tokens than the {bounds.request_tokens:,} allowed: at most that many"))
    if not wrong:
        return None
    rule, words = wrong[0]
    if bounds.too_long is TooLong.REFUSED:
        reason = f"The request has {words} can be read. Please shorten it."
        return _refused(rule, reason, "; ".join(each for _, each in wrong))
    cut = _cut(text, scope.limits.request_characters, bounds.request_bytes, bounds.request_tokens)
    reason = f"Only the first {len(cut):,} characters of the request were read: it has {words} can be."
    return Changed(cut, Verdict(action=Action.CHANGE, rule=rule, reason=reason), doubts=("the request was cut off",))


def _cut(text: str, characters: int, size: int, tokens: int) -> str:
    """The beginning that is within all limits, ended at a space where one is near."""
    cut = text[:characters].encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
    while not fits(cut, tokens):
        cut = cut[: len(cut) * 9 // 10]
    space = cut.rfind(" ", max(0, len(cut) - 80))
    return (cut[:space] if space > 0 else cut).rstrip()


def _refused(rule: str, reason: str, detail: str) -> Verdict:
    return Verdict(action=Action.BLOCK, rule=rule, reason=reason, detail=detail)
