"""How words are masked, and what stands behind a mask: leet, look-alikes, rot13, backwards, jumbled, written together.

Only the words of `CORE` are looked for behind masks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable

CORE = (
    "ignore disregard forget bypass override previous prior instructions instruction prompt rules reveal system "
    "guidelines restrictions jailbreak unrestricted pretend developer database passwords password everything "
    "administrator approval"
)
"""English words worth hiding: looked for in disguises too (leet, letters apart, look-alikes, rot13, backwards, jumbled)."""

LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһкмтвнгзлиАВЕКМНОРСТУХІЈЅԌոսցօհԛԝɡıɩʟᴀʙᴄᴅᴇɢʜᴊᴋᴍɴᴏᴘʀᴛᴜᴠᴡᴢαβεικνορτυχωηγσϲϳ",
    "aeopcyxijsdhkmtbhr3nuABEKMHOPCTYXIJSGnugohqwgiilabcdeghjkmnoprtuvwzabeiknoptuxwnyscj",
)
"""Letters of other scripts that look like Latin ones."""

LEET = str.maketrans("013457$@", "oieastsa")

APART, MASKED, TURNED, LOOKS = "letters apart", "masked words", "words in rot13 or backwards", "look-alike letters"
MARKS = {"~": MASKED, "%": TURNED, "&": LOOKS}
"""Signs for the masks of single words."""
_LONG = 16
"""Letters of a word that may be several ones written together."""
_CORE = frozenset(CORE.split())
SHORTEST = min(map(len, _CORE))
"""Letters of a word that can be masked at all."""
_LONGEST = max(map(len, _CORE))
_NO_LEET = re.compile("[^a-z" + re.escape("".join(map(chr, LEET))) + "]")


def any_of(words: Iterable[str]) -> str:
    """A pattern of words, the longest of those that begin alike first; `忽(?:略|視)` is quicker than `忽略|忽視`."""
    rests: dict[str, list[str]] = {}
    for word in sorted(words, key=lambda word: (-len(word), word)):
        rests.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in rests.items())


_SQUEEZED = re.compile(any_of(_CORE))
_ROT13 = {codecs.encode(word, "rot13"): word for word in _CORE}
_BACKWARDS = {word[::-1]: word for word in _CORE}


def _jumble(word: str) -> tuple[str, str, str]:
    return word[0], "".join(sorted(word[1:-1])), word[-1]


_JUMBLED = {_jumble(word): word for word in CORE.split() if len(word) >= 6}
_JUMBLED_SHAPES = {(word[0], len(word), word[-1]) for word in _CORE if len(word) >= 6}


def behind(word: str, *, looks: bool = False) -> tuple[list[str], str]:
    """The core words that a word is in disguise, and the sign of its mask; none for nearly all words.

    Args:
        word: In lower case, in ASCII.
        looks: Whether it had letters of other scripts that look like these.
    """
    word = word.replace("'", "")
    if looks and word in _CORE:
        return [word], "&"
    if word.isalpha():
        if SHORTEST <= len(word) <= _LONGEST:
            if found := _ROT13.get(word) or _BACKWARDS.get(word):
                return [found], "%"
            if (word[0], len(word), word[-1]) in _JUMBLED_SHAPES and (found := _JUMBLED.get(_jumble(word))):
                return [found], "~"
        return _squeezed(word)
    if len(word) <= _LONGEST and not word.isdigit() and not _NO_LEET.search(word):
        plain = word.translate(LEET)
        for spelling in (plain, plain.replace("l", "i"), word.replace("1", "l").translate(LEET)):
            if spelling in _CORE:
                return [spelling], "~"
    return _squeezed(word.translate(LEET)) if len(word) >= _LONG and not word.isdigit() else ([], "")


def _squeezed(word: str) -> tuple[list[str], str]:
    """The core words in several words written together: two at least, for one may be chance."""
    found = _SQUEEZED.findall(word) if len(word) >= _LONG else []
    return (found, "~") if len(found) > 1 else ([], "")


def has_core(word: str) -> bool:
    """Whether a core word stands in it."""
    return _SQUEEZED.search(word) is not None


def unmasked(text: str, masks: tuple[str, ...]) -> list[str]:
    """The text as it reads without the masks that were found in it."""
    found = []
    if TURNED in masks:
        found += [codecs.encode(text, "rot13"), " ".join(word[::-1] for word in text.split())]
    if MASKED in masks:
        found.append(text.lower().translate(LEET))
    if LOOKS in masks:
        found.append(text.translate(LOOKALIKES))
    return found
