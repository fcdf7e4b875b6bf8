"""E-mail addresses, written out and disguised, and IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from activities.guardrails.pii.found import Found
from plangate.guardrails import PersonalKind

_LOCAL = r"[\w!#$%&'*+/=?^`{|}~-]"
_BEFORE = re.compile(rf"(?<![\w.+-]){_LOCAL}(?:{_LOCAL}|\.(?=[\w+-])){{0,63}}$")
_AFTER = re.compile(r"@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_](?:[\w-]{0,61}[^\W_])")
_DISGUISED = re.compile(
    r"(?<![\w.+'-])[\w+'-]{1,40}(?:(?:\.|\s?[\[({]\s?dot\s?[\])}]\s?)[\w+'-]{1,40}){0,3}"
    r"(?:\s?[\[({<]\s?(?:at|@)\s?[\])}>]\s?|\s@\s)"
    r"[\w-]{1,63}(?:(?:\.|\s?[\[({]\s?dot\s?[\])}]\s?)[\w-]{1,63}){0,4}"
    r"(?:\.|\s?[\[({]\s?dot\s?[\])}]\s?)[^\W\d_]{2,20}",
    re.IGNORECASE,
)
_HINT = re.compile(r"[\[({<]\s?(?:at|@)\s?[\])}>]|\s@\s", re.IGNORECASE)
_MARK = re.compile(r"\s?[\[({<]?\s?@\s?[\])}>]?\s?|\s?[\[({<]\s?at\s?[\])}>]\s?", re.IGNORECASE)
_DOT = re.compile(r"\s?[\[({]\s?dot\s?[\])}]\s?", re.IGNORECASE)
_FILES = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "avif",
        "ico",
        "pdf",
        "css",
        "js",
        "ts",
        "html",
        "py",
        "txt",
        "md",
        "json",
    ]
)
"""What no address ends with; `logo@2x.png` is a picture."""
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)", re.ASCII)
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE | re.ASCII)
_VERSION = re.compile(r"(?:\b(?:v|ver|version|release|build|firmware|section|§)\.?:?\s*)$", re.IGNORECASE)


def emails(text: str) -> Iterator[Found]:
    """Addresses as they are, and as `name (at) example (dot) com`."""
    at = text.find("@")
    while at >= 0:
        before, after = _BEFORE.search(text, max(0, at - 64), at), _AFTER.match(text, at)
        if before and after and after.group().rpartition(".")[2].casefold() not in _FILES:
            written = text[before.start() : after.end()]
            yield Found(PersonalKind.EMAIL, before.start(), after.end(), written.casefold())
        at = text.find("@", at + 1)
    for hint in _HINT.finditer(text):
        for match in _DISGUISED.finditer(text, max(0, hint.start() - 120), hint.end() + 200):
            if match.start() < hint.end() <= match.end():
                key = _DOT.sub(".", _MARK.sub("@", match.group(), count=1)).casefold()
                yield Found(PersonalKind.EMAIL, match.start(), match.end(), key)


def ip_addresses(text: str) -> Iterator[Found]:
    """Addresses of machines, of both versions; the machine itself (loopback) is nobody's."""
    for match in [*_IP4.finditer(text), *(_IP6.finditer(text) if "::" in text or text.count(":") > 4 else ())]:
        if _VERSION.search(text, max(0, match.start() - 12), match.start()):
            continue
        try:
            address = ipaddress.ip_address(match.group())
        except ValueError:
            continue
        if not address.is_loopback and not address.is_unspecified:
            yield Found(PersonalKind.IP, match.start(), match.end(), str(address))
