"""Words and phrases of `offline.yaml`, and what a request says in them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_QUOTES = str.maketrans({"‘": "'", "’": "'", "ʼ": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "})
_GAP = r"(?:\W+\w+){0,6}?\W+"
"""What `…` in a phrase stands for (`...` when normalised): six words at most."""


def normalise(text: str) -> str:
    """Lower case, plain quotes, no apostrophes, single spaces: `I'm  HERE` → `im here`."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).lower().replace("'", "")
    return " ".join(plain.split())


def regex_problem(pattern: str) -> str | None:
    """What is wrong with a regex, or None."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{pattern!r} is not a regular expression: {error}"
    return None


def pattern_problem(wording: str) -> str | None:
    """What is wrong with an entry of a word list, or None."""
    if not normalise(wording).strip("* …."):
        return f"{wording!r} has no word in it"
    if wording.startswith("/") and not (wording.endswith("/") and len(wording) > 2):
        return f"{wording!r}: a regular expression stands between two slashes"
    return regex_problem(_regex_of(wording))


def says(text: str, wording: str) -> bool:
    """Whether a normalised text contains a word, a phrase or a regex of a word list."""
    return _compiled(wording).search(text) is not None


@lru_cache(maxsize=8192)
def _compiled(wording: str) -> re.Pattern[str]:
    return re.compile(_regex_of(wording))


def _regex_of(wording: str) -> str:
    """`refund*` → any word that begins so; `want … back` → up to six words between; `/…/` → a regex."""
    if wording.startswith("/"):
        return wording[1:-1]
    parts: list[str] = []
    for word in normalise(wording).replace("...", " ... ").split():
        if word == "...":
            parts.append(_GAP)
            continue
        if parts and parts[-1] != _GAP:
            parts.append(r"\W+")
        stem = re.escape(word.removesuffix("*"))
        parts.append(stem + (r"\w*" if word.endswith("*") else ""))
    return r"(?<!\w)" + "".join(parts) + r"(?!\w)"
