"""Card numbers (Luhn, and the issuers' first digits) and IBANs (mod 97, and each country's length)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.guardrails.pii.found import Found, bare
from plangate.guardrails import PersonalKind

_GAP = r"[ \u00a0\u2007\u2009\u202f\-‐‑–./]"
_RUN = re.compile(rf"(?<!\w)\d(?:{_GAP}?\d){{12,60}}(?!\w)")
_GROUP = re.compile(r"\d+")
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12,15}"  # American Express, Diners, JCB
    r"|(?:6011|64[4-9]\d|65\d\d|62\d\d)\d{12,15}"  # Discover, UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}",  # Maestro
    re.ASCII,
)
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}[ \u00a0-]?\d{2}(?:[ \u00a0\u202f.-]{0,2}[A-Z0-9]){11,30}", re.IGNORECASE | re.ASCII
)
_LENGTHS = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in [
            "15:NO",
            "16:BE",
            "18:DK FI FO GL NL SD",
            "19:MK SI",
            "20:AT BA EE KZ LT LU MN XK",
            "21:CH HR LI LV",
            "22:BG BH CR DE GB GE IE ME RS VA",
            "23:AE GI IL IQ OM SO TL",
            "24:AD CZ ES MD PK RO SA SE SK TN VG",
            "25:LY PT",
            "26:IS TR",
            "27:BI DJ FR GR IT MC MR SM",
            "28:AL AZ BY CY DO GT HU LB NI PL SV",
            "29:BR EG PS QA UA",
            "30:JO KW MU",
            "31:MT SC",
            "32:LC",
            "33:RU",
        ]
    )
    for country in countries.split()
}


def luhn(digits: str) -> bool:
    """Whether the last digit is right."""
    total = 0
    for at, char in enumerate(reversed(digits)):
        digit = int(char) * (1 + at % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def cards(text: str) -> Iterator[Found]:
    """Card numbers of 13 to 19 digits; those inside a longer run of groups too."""
    for run in _RUN.finditer(text):
        groups = [(each.start() + run.start(), each.group()) for each in _GROUP.finditer(run.group())]
        first = 0
        while first < len(groups):
            last = _card(groups, first)
            if last is None:
                first += 1
                continue
            begin, end = groups[first][0], groups[last][0] + len(groups[last][1])
            yield Found(PersonalKind.CARD, begin, end, _digits(text[begin:end]))
            first = last + 1


def _digits(text: str) -> str:
    """The digits of a text, those of other scripts as ours."""
    return "".join(str(int(char)) for char in text if char.isdecimal())


def _card(groups: list[tuple[int, str]], first: int) -> int | None:
    """The last group of the longest card number that begins with this group."""
    digits, found = "", None
    for last in range(first, len(groups)):
        digits += _digits(groups[last][1])
        if len(digits) > 19:
            break
        if len(digits) >= 13 and _ISSUERS.fullmatch(digits) and luhn(digits):
            found = last
    return found


def ibans(text: str) -> Iterator[Found]:
    """IBANs of every country in the register, with or without spaces."""
    for candidate in _IBAN.finditer(text):
        length = _LENGTHS.get(candidate.group()[:2].upper())
        if length is None:
            continue
        at, seen = candidate.start(), 0
        while seen < length and at < candidate.end():
            seen += text[at].isalnum()
            at += 1
        whole = bare(text[candidate.start() : at]).upper()
        if seen == length and not text[at : at + 1].isalnum() and _mod97(whole):
            yield Found(PersonalKind.IBAN, candidate.start(), at, whole)


def _mod97(iban: str) -> bool:
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1
