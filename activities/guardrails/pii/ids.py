"""Numbers that states give to people, with their check digits; those that are bare digits need their label."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from activities.guardrails.pii.found import Found, bare
from plangate.guardrails import PersonalKind

_NINO = re.compile(
    r"\b(?=[A-Z]{2}[ -]?\d)(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?[A-D]\b",
    re.IGNORECASE,
)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-])")
_TAX_DE = re.compile(r"(?<!\w)[1-9]\d(?: ?\d){9}(?!\w)")
_DNI = re.compile(r"\b(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]\b", re.IGNORECASE)
_NIR = re.compile(r"(?<!\w)[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d(?!\w)")
_FISCALE = re.compile(r"\b[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]\b", re.IGNORECASE)
_BSN = re.compile(r"(?<!\w)\d{3}[. ]?\d{2,3}[. ]?\d{3,4}(?!\w)")
_SSN_LABEL = re.compile(r"\b(?:SSN|social security)\b[^\d\n]{0,30}$", re.IGNORECASE)
_TAX_LABEL = re.compile(r"(?:steuer\w*|\bidnr|tax id\w*|\btin\b|\bIdentifikationsnummer)[^\d\n]{0,30}$", re.IGNORECASE)
_BSN_LABEL = re.compile(r"\b(?:bsn|burgerservicenummer|sofi\w*)\b[^\d\n]{0,30}$", re.IGNORECASE)
_SSN_BARE = re.compile(r"(?<!\w)(?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4}(?!\w)")
_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
], strict=True))  # fmt: skip


def tax_id_de(number: str) -> bool:
    """The German tax id's check digit (ISO 7064, mod 11, 10), and that one digit of the first ten is repeated."""
    product = 10
    for char in number[:10]:
        total = (int(char) + product) % 10 or 10
        product = total * 2 % 11
    counts = sorted(map(number[:10].count, set(number[:10])))
    return (11 - product) % 10 == int(number[10]) and counts[-1] in (2, 3) and (len(counts) < 2 or counts[-2] == 1)


def dni(number: str) -> bool:
    """The Spanish letter."""
    digits = number[:-1].upper().replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1].upper()


def nir(number: str) -> bool:
    """The French key."""
    digits = number.upper().replace("2A", "19").replace("2B", "18")
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def fiscale(number: str) -> bool:
    """The Italian letter."""
    total = 0
    for at, char in enumerate(number[:15].upper()):
        total += _ODD[char] if at % 2 == 0 else int(char, 36) - (10 if char.isalpha() else 0)
    return chr(65 + total % 26) == number[15].upper()


def bsn(number: str) -> bool:
    """The Dutch test by eleven."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return len(number) == 9 and sum(w * int(d) for w, d in zip(weights, number, strict=True)) % 11 == 0


_KINDS: tuple[tuple[re.Pattern[str], Callable[[str], bool], re.Pattern[str] | None], ...] = (
    (_NINO, lambda number: True, None),
    (_SSN, lambda number: True, None),
    (_SSN_BARE, lambda number: True, _SSN_LABEL),
    (_TAX_DE, tax_id_de, _TAX_LABEL),
    (_DNI, dni, None),
    (_NIR, nir, None),
    (_FISCALE, fiscale, None),
    (_BSN, bsn, _BSN_LABEL),
)
_STEMS = {
    _SSN_LABEL: ("ssn", "social"),
    _TAX_LABEL: ("steuer", "idnr", "tax", "tin", "identifikation"),
    _BSN_LABEL: ("bsn", "burger", "sofi"),
}
"""One of these is in every label."""


def national_ids(text: str) -> Iterator[Found]:
    """Of Britain, the USA, Germany, Spain, France, Italy and the Netherlands."""
    lower = text.casefold()
    for pattern, right, label in _KINDS:
        if label is not None and not any(each in lower for each in _STEMS[label]):
            continue
        for match in pattern.finditer(text):
            if label is not None and not label.search(text, max(0, match.start() - 60), match.start()):
                continue
            number = bare(match.group())
            if right(number):
                yield Found(PersonalKind.NATIONAL_ID, match.start(), match.end(), number)
