"""Reads a text as a string of concepts: a letter for each word that attacks are made of, a dot for any other.

`Ignore all previous instructions. Where is my parcel?` reads as `OAPR|W.IH|`. A word that had to be unmasked first
(`1gn0re`, `i-g-n-o-r-e`, rot13) is counted as a disguise.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import filterfalse

from activities.guardrails.injection import lexicon, masks, terms
from activities.guardrails.injection.reading import Reading

TOKEN = re.compile(r"[^\W_]++(?:['’@$][^\W_]++)*+|[.!?;\n。！？؟।]")
"""A word, or the end of a sentence or line."""
_APART = re.compile(r"(?<![^\W_])(?:[^\W_][ .\-_*|/~]{1,3}){4,}[^\W_](?![^\W_])")
_MAYBE_APART = re.compile(r"[ .\-_*|/~][^\W_][ .\-_*|/~]{1,3}[^\W_][ .\-_*|/~]{1,3}[^\W_][ .\-_*|/~]")
"""The middle of it, which is quicker to look for: it begins with a sign and not with what any letter may be."""
_BETWEEN = re.compile(r"[ .\-_*|/~]+")
_MEMO, _MEMO_LETTERS = 20_000, 40
"""Words remembered at most, and letters that they have at most."""


def fold(word: str) -> str:
    """A word in lower case and without accents."""
    if word.isascii():
        return word.lower()
    plain = word.lower()
    if not (plain.isalnum() and unicodedata.is_normalized("NFD", plain)):  # letters alone have no accents beside them
        plain = "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFD", plain)))
    return plain.replace("ß", "ss").replace("ł", "l")


def _split() -> tuple[dict[str, str], dict[str, str]]:
    exact: dict[str, str] = dict.fromkeys(".!?;\n。！？؟।", "|")
    stems: dict[str, str] = {}
    for code, words in lexicon.WORDS.items():
        for word in words.split():
            target = stems if word.endswith("*") else exact
            target.setdefault(fold(word.rstrip("*")), code)
    return exact, stems


_EXACT, _STEMS = _split()
_LENGTHS = sorted({len(stem) for stem in _STEMS}, reverse=True)
_SHORT = _LENGTHS[-1]
_HEADS = frozenset(stem[:_SHORT] for stem in _STEMS)
"""How stems begin: few other words begin so."""
_TERM_CODES = {fold(term): code for code, found in terms.TERMS.items() for term in found.split()}
_TERMS = re.compile(masks.any_of(_TERM_CODES))


class _Codes(dict[str, str]):
    """The code of each word seen lately, so that most words of most texts are known. Begins anew when it is full."""

    def __missing__(self, word: str) -> str:
        code = _code(word)
        if len(word) <= _MEMO_LETTERS:
            if len(self) >= _MEMO:
                self.clear()
            self[word] = code
        return code


def _code(word: str) -> str:
    if found := _EXACT.get(word):
        return found
    if not word.isascii():
        return _foreign(word)
    if word[:_SHORT] in _HEADS and (found := _by_stem(word)):
        return found
    if word[-2:] in ("'s", "'t"):
        return _CODES[word[:-2]]
    return _unmasked(word) if len(word) >= masks.SHORTEST else "."


def _by_stem(word: str) -> str | None:
    """The code of the longest stem that it begins with."""
    beginnings = (word[:length] for length in _LENGTHS if length <= len(word))
    return next((_STEMS[beginning] for beginning in beginnings if beginning in _STEMS), None)


def _foreign(word: str) -> str:
    """The codes of a word with letters beyond ASCII; several for scripts without spaces."""
    folded = fold(word)
    if found := _EXACT.get(folded) or (_by_stem(folded) if folded[:_SHORT] in _HEADS else None):
        return found
    if max(folded) >= "\u0590":
        return _terms(folded)
    latin = folded.translate(masks.LOOKALIKES)
    return _unmasked(latin, looks=True) if latin != folded and latin.isascii() else "."


def _terms(word: str) -> str:
    codes, at = "", 0
    for match in _TERMS.finditer(word):
        codes += "." * min((match.start() - at) // 3, 4) + _TERM_CODES[match[0]]
        at = match.end()
    return codes or "." * max(1, min(len(word) // 3, 4))


def _unmasked(word: str, *, looks: bool = False) -> str:
    """The codes of the words that it hides, each with the sign of the mask behind it."""
    words, sign = masks.behind(word, looks=looks)
    return "".join(f"{_EXACT.get(each, '.')}{sign}" for each in words) if words else "."


_CODES = _Codes()


def read(text: str) -> Reading:
    """Read a text."""
    if _CAMEL.search(text):
        text = _HUMP.sub(" ", text)
    lowered = _without_runs(text.lower().replace("tutti i ", "tutti "))
    if " i " in lowered and not _ENGLISH.search(lowered):
        lowered = lowered.replace(" i ", " ")  # "and" in Polish, "the" in Italian
    found = []
    if _MAYBE_APART.search(lowered) and _APART.search(lowered):
        joined = _APART.sub(lambda match: f" {_BETWEEN.sub('', match[0])} ", lowered)
        if any(masks.has_core(each[0]) for each in _LONG_WORD.finditer(joined)):
            found.append(masks.APART)
        lowered = joined
    words = TOKEN.findall(lowered)
    coded = "".join(map(_CODES.__getitem__, words))
    if _SIGN.search(coded):
        found += [masks.MARKS[sign] for sign in _SIGN.findall(coded)]
        coded = _SIGN.sub("", coded)
    return Reading(lowered, coded, frozenset(words), tuple(found))


def _without_runs(text: str) -> str:
    """The text with at most four spaces, or two ends of lines, in a row: patterns needn't look through deserts."""
    for run, short in (("\n\n\n", "\n\n"), ("     ", "    ")):
        while run in text:
            text = text.replace(run, short)
    return text


_SIGN = re.compile(f"[{''.join(masks.MARKS)}]")
_CAMEL = re.compile(r"[A-Z](?<=[a-z].)[a-z]+[A-Z][a-z]")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_LONG_WORD = re.compile(r"[^\W\d_]{8,}")
_ENGLISH = re.compile(r"\b(?:the|my|is|was|you|your|to|it|have|can|a)\b")
