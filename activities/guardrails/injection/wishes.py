"""Rules about what an attack is after: doing without approval, other people's data, secrets."""

from __future__ import annotations

import re
from collections.abc import Collection

from activities.guardrails.injection.phrases import Phrases
from activities.guardrails.injection.reading import Reading
from activities.guardrails.injection.rule import Hit

_NO_APPROVAL = re.compile(r"[TZO][^|I]{0,4}G|[TO][^|I]{0,3}F")
_APPROVED = Phrases(
    "autoapprov* auto-approv* approved preapproved approve approval authorisation authorization permission human manager person",
    r"\bauto-?approv\w|\bpre-?approved by the (?:system|owner|admin)\b|\bmark(?:ed)? (?:it |this )?as approved\b"
    r"|\bapprove (?:it|this|everything) yourself\b|\byou (?:already )?have (?:full )?(?:approval|authori[sz]ation|permission)\b"
    r"|\bapproval (?:is|has been) (?:already )?(?:granted|given|waived)\b|\bno (?:human|manager|person) (?:needs|has) to\b",
    reach=50,
)


def approval(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Wants to go without the people who decide, or says that they agreed."""
    said = 4 if _APPROVED.search(reading) else 0
    unasked = 3 if _NO_APPROVAL.search(reading.codes) else 0
    if said or unasked:
        return Hit(min(said + unasked, 5), "says that it was approved" if said else "wants to go without approval")
    return None


_TAKE = re.compile(r"[VE][^|I]{0,4}A[^|I]{0,5}D|[VE][^|IH]{0,5}(?:S|Y)[^|IH]{0,3}D")
_SECRETS = Phrases(
    "passwd* shadow* env* select drop union rm curl api apikey apikeys access openai database 169 file",
    r"(?<=/etc/)(?:passwd|shadow)|(?<=\bos\.)environ|(?<=\bprocess\.)env|\bselect \* from\b|\bdrop table\b|\bunion select\b"
    r"|\brm -rf\b|\bcurl (?:-\w+ )*https?:|\b169\.254\.169\.254|\bfile:///"
    r"|(?:(?<=\byour )|(?<=\bthe )|(?<=\ball ))(?:api[ _-]?keys?|access tokens?|environment variables|openai_api_key|env(?:ironment)? file|database dump)\b",
)
_IMAGE_URL = re.compile(r"\]\(\s*https?://")
_URL_TURN = re.compile(r"[?{=)\s]")
_OTHERS = Phrases(
    "customer*",
    r"\b(?:all|every|each|any|other|another|list)\b[^.!?\n]{0,12}\bcustomers?'?s?'?\b[^.!?\n]{0,40}"
    r"\b(?:e-?mails?|addresses|address|names?|orders?|data|details|records|cards?|phone)\b",
    reach=90,
)
_ABOUT_OTHERS = Phrases(
    "customer customers user users client clients people buyer buyers dump",
    r"\b(?:e-?mails?|addresses|names?|orders?|data|details|records|cards?)\b[^.!?\n]{0,15}\bof (?:all|every|each|any|other|another)\b"
    r"[^.!?\n]{0,12}\b(?:customers?|users?|clients?|people|buyers?)\b|\bdump\b[^.!?\n]{0,15}\b(?:database|db|tables?)\b",
    reach=60,
)
_OTHERS_VERB = re.compile(r"\b(?:send|forward|list|show|give|dump|export|tell|e-?mail|print|output|reveal|share)\b")


def exfiltration(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Asks for other people's data or for secrets, or carries data away."""
    what = "asks for data of others or for secrets"
    if _image_sends_data(reading.text):
        return Hit(5, "has an image that would carry data away")
    others = _OTHERS.search(reading)
    if others and _OTHERS_VERB.search(reading.text[max(0, others.start() - 60) : others.end()]):
        return Hit(5, what)
    if _SECRETS.search(reading) or _ABOUT_OTHERS.search(reading):
        return Hit(5, what)
    return Hit(5, what) if _TAKE.search(reading.codes) else None


def _image_sends_data(text: str) -> bool:
    """Whether there is a picture in Markdown whose address has a query: `![…](https://…?…`.

    Each character is looked at once, which a pattern for all of it couldn't do.
    """
    done = 0
    for found in _IMAGE_URL.finditer(text) if "![" in text else ():
        label = text.rfind("]", 0, found.start()) + 1
        line = text.rfind("\n", label, found.start()) + 1
        if text.find("![", max(label, line), found.start()) < 0 or found.end() <= done:
            continue
        turn = _URL_TURN.search(text, found.end())
        if turn is None:
            return False
        if turn[0] in "?{=":
            return True
        done = turn.start()
    return False
