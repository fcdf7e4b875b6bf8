"""Secrets: keys and tokens by their makers' forms, private keys, passwords after their label, random-looking words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from activities.guardrails.pii.found import Found
from plangate.guardrails import PersonalKind

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_FORMS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{16,200}|[spr]k_(?:live|test)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9]{16,100}"
    r"|gh[pousr]_[A-Za-z0-9]{20,100}|github_pat_\w{22,120}|glpat-[\w-]{16,60}"
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}|xox[abeoprs]-[A-Za-z0-9-]{10,200}|xapp-[A-Za-z0-9-]{20,200}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,300}|npm_[A-Za-z0-9]{30,60}|pypi-[\w-]{30,250}|hf_[A-Za-z0-9]{20,60}"
    r"|SG\.[\w-]{16,40}\.[\w-]{16,80}|dop_v1_[a-f0-9]{40,80}|shp(?:at|ss|ca)_[a-f0-9]{28,40}"
    r"|eyJ[\w-]{8,4000}\.[\w-]{8,8000}(?:\.[\w-]{0,1000})?"
    r")"
)
_WORD = re.compile(r"[\w.+/=~-]{14,}")
_BEARER = re.compile(r"\b(?:Bearer|Basic)\s+([A-Za-z0-9._~+/-]{12,2000}=*)")
_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:([^\s/@]{1,200})@", re.IGNORECASE)
_WORDS = (
    r"pass(?:word|wd|code|phrase)|pwd|pin(?: code)?|secret(?: key)?|api[ _-]?key|access[ _-]?(?:key|token)|auth[ _-]?token|"
    r"client[ _-]?secret|private[ _-]?key|token|kennwort|passwort|geheimnis|mot de passe|contraseña|clave|senha|palavra-passe|"
    r"wachtwoord|has[łl]o|parola|lösenord|salasana|пароль|密码|密碼|パスワード|비밀번호"
)
_LABEL = re.compile(_WORDS, re.IGNORECASE)
_STEMS = (
    "pass",
    "pwd",
    "pin",
    "secret",
    "key",
    "token",
    "kennwort",
    "geheimnis",
    "contraseña",
    "clave",
    "senha",
    "palavra",
    "wachtwoord",
    "has",
    "parola",
    "lösenord",
    "salasana",
    "пароль",
    "密码",
    "密碼",
    "パスワード",
    "비밀번호",
)
"""One of these is in every label: most texts have none, and aren't searched."""
_LABELLED = re.compile(rf"(?:{_WORDS})[\"'`]?\s*(?::|=|：)\s*[\"'`“«]?([^\s\"'`”»,;<>]{{4,200}})", re.IGNORECASE)
_SPOKEN = re.compile(
    rf"(?:{_WORDS})\s+(?:is|was|ist|lautet|war|est|es|é|è|to|in|auf|à|a)\s*:?\s*[\"'`“«]?([^\s\"'`”»,;<>]{{4,200}})",
    re.IGNORECASE,
)
_LONG = re.compile(r"(?<![\w/+=.@-])[A-Za-z0-9_+/=-]{28,2000}(?![\w@])")
_PLAIN = re.compile(r"[^\W\d_]+[.!?…)*|]*")
ENTROPY = 3.9
"""Bits a character from which on a long word of capitals, small letters and digits is no word."""


def secrets(text: str) -> Iterator[Found]:
    """Secrets; a label is left to stand, what it labels isn't."""
    if "PRIVATE KEY" in text:
        for match in _PEM.finditer(text):
            yield _found(match, 0)
    for word in _WORD.finditer(text):
        for match in _FORMS.finditer(text, word.start(), word.end()):
            yield _found(match, 0)
    for pattern, sign in ((_BEARER, " "), (_IN_URL, "://")):
        for match in pattern.finditer(text) if sign in text else ():
            yield _found(match, 1)
    lower = text.casefold()
    if any(each in lower for each in _STEMS):
        yield from _labelled(text)
    for match in _LONG.finditer(text):
        if random_looking(match.group()):
            yield _found(match, 0)


def _labelled(text: str) -> Iterator[Found]:
    for label in _LABEL.finditer(text):
        match = _LABELLED.match(text, label.start())
        if match and not _everyday(match, text):
            yield _found(match, 1)
            continue
        match = _SPOKEN.match(text, label.start())
        if match and not _PLAIN.fullmatch(match[1]) and len(match[1].rstrip(".!?)")) >= 6:
            yield _found(match, 1)


def random_looking(word: str) -> bool:
    """Whether a long word has all of capitals, small letters and digits, mixed as no person would."""
    if not (re.search("[a-z]", word) and re.search("[A-Z]", word) and re.search("[0-9]", word)):
        return False
    if word.count("/") > 1 and max(map(len, word.split("/"))) < 20:
        return False
    if word.count("-") + word.count("_") > 2 and max(map(len, re.split("[-_]", word))) < 16:
        return False
    counted = Counter(word)
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counted.values()) >= ENTROPY


def _everyday(match: re.Match[str], text: str) -> bool:
    """Whether what follows the label is a sentence (“Password: see the e-mail”) and no password."""
    value = match[1]
    if value.startswith("[") or set(value) <= set("*•x."):
        return True
    if not _PLAIN.fullmatch(value):
        return False
    after = text[match.end() : match.end() + 40].splitlines()
    return bool(after and after[0].strip(" \"'`”»,;.")) or value.rstrip(".!?…)*|").casefold() in _STATES


_STATES = frozenset(
    [
        "required",
        "optional",
        "none",
        "hidden",
        "changed",
        "reset",
        "unknown",
        "never",
        "expired",
        "missing",
        "empty",
        "yes",
        "valid",
        "invalid",
    ]
)


def _found(match: re.Match[str], group: int) -> Found:
    end = match.end(group)
    while group and match.string[end - 1] in ".!?)":
        end -= 1
    start = match.start(group)
    return Found(PersonalKind.SECRET, start, max(end, start + 1), match.string[start:end])
