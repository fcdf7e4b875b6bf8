"""Facts in a text: amounts, dates, numbers, percentages, ids, addresses; each in one form, however it is written.

Amounts, dates and ids are read in any language that writes them with digits (months also in German, French, Spanish);
numbers in words only in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum


class Sort(StrEnum):
    """What a fact is; the end of the id of the rule `grounding.SORT`."""

    AMOUNT = "amount"
    DATE = "date"
    NUMBER = "number"
    PERCENT = "percent"
    ID = "id"
    EMAIL = "email"
    LINK = "link"


@dataclass(frozen=True)
class Fact:
    """One fact of a text.

    Attributes:
        sort: What it is.
        text: As it is written.
        start: Where it begins.
        value: Of an amount, a number or a percentage.
        unit: A currency (`GBP`), or a unit of time (`day`).
        date: Year (None when not written), month and day (None for a whole month).
        other: The same digits read the other way round (`03/04/2026`).
        key: Of an id, an e-mail address or a link, in the form that is compared.
    """

    sort: Sort
    text: str
    start: int = 0
    value: Decimal = Decimal(0)
    unit: str = ""
    date: tuple[int | None, int, int | None] | None = None
    other: tuple[int | None, int, int | None] | None = None
    key: str = ""


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero",
            "february feb februar février fevrier febrero",
            "march mar märz mars marzo",
            "april apr avril abril",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet julio",
            "august aug août aout agosto",
            "september sep sept septembre septiembre",
            "october oct oktober octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember décembre decembre diciembre",
        ),
        1,
    )
    for name in names.split()
}
_CURRENCIES = {
    **dict.fromkeys(("£", "gbp", "pound", "pounds", "quid", "pfund"), "GBP"),
    **dict.fromkeys(("€", "eur", "euro", "euros"), "EUR"),
    **dict.fromkeys(("$", "us$", "usd", "dollar", "dollars"), "USD"),
    **dict.fromkeys(("chf", "francs", "franken"), "CHF"),
    **dict.fromkeys(("¥", "jpy", "yen"), "JPY"),
}
_UNITS = {
    word: unit
    for unit, words in {
        "minute": "minute minutes min mins minuten",
        "hour": "hour hours hrs stunde stunden heures",
        "day": "day days tag tage tagen jour jours día días",
        "week": "week weeks woche wochen semaine semaines",
        "month": "month months monat monate monaten mois",
        "year": "year years jahr jahre jahren ans",
    }.items()
    for word in words.split()
}
_ONES = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    word: 10 * n
    for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}

# Every repetition has a bound: an answer may be 64 KiB of anything, and is read again while it streams.
_DIGITS = r"(?<!\d)(?:\d{1,3}(?:[,.’' \u00a0\u202f]\d{3}){1,6}(?:[.,]\d{1,2})?(?!\d)|\d{1,24}(?:[.,]\d{1,12})?(?!\d))"
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(list(_ONES)[1:10])}))?|{'|'.join(reversed(_ONES))})"
_WORDS = (
    rf"(?:{_SMALL}|a)[- ](?:hundred|thousand)(?:(?: and|,)? {_SMALL}(?: hundred)?(?:(?: and)? {_SMALL})?)?|{_SMALL}"
)
_NUMBER = rf"(?:{_DIGITS}|\b(?:{_WORDS})\b)"
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_SIGN = r"US\$|[£€$¥]|\b(?:GBP|EUR|USD|CHF|JPY)\b"
_MONEY_WORD = "|".join(word for word in sorted(_CURRENCIES, key=len, reverse=True) if word.isalpha())
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))

_PATTERNS: tuple[tuple[Sort, re.Pattern[str]], ...] = tuple(
    (sort, re.compile(pattern, re.IGNORECASE))
    for sort, pattern in (
        (Sort.EMAIL, r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
        (Sort.LINK, r"\bhttps?://[^\s<>\"')\]]+|\bwww\.[^\s<>\"')\]]+"),
        (Sort.DATE, r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"),  # noqa: E501
        (Sort.DATE, r"(?<![\d./])(?P<d>\d{1,2})(?P<s>[/.])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4}|\d\d)(?![\d/])"),
        (
            Sort.DATE,
            rf"(?<![\d.])(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?(?: of| de)?\s+(?P<m>{_MONTH})\b\.?(?:,?(?: de)?\s+(?P<y>\d{{4}}))?",  # noqa: E501
        ),
        (Sort.DATE, rf"\b(?P<m>{_MONTH})\b\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d|[.,]\d\d\b)(?:,?\s+(?P<y>\d{{4}}))?"),  # noqa: E501
        (Sort.DATE, rf"\b(?P<m>{_MONTH})\b\.?\s+(?P<y>\d{{4}})\b"),
        (
            Sort.AMOUNT,
            rf"(?P<c>{_SIGN})\s?-?(?P<n>{_DIGITS})|(?P<n2>{_NUMBER})\s?(?P<c2>[£€$¥]|(?:{_MONEY_WORD})\b)"
            rf"(?:(?: and)? (?P<p>\d{{1,2}}|{_SMALL})(?: (?:pence|cents?|p))?(?![\w,.]*\d)(?= |[.,;!?)]|$))?",
        ),
        (Sort.AMOUNT, r"(?<![\w.,])(?P<p>\d{1,3})(?:p\b| pence\b)"),
        (Sort.ID, r"(?<![\d:])(?P<t>[01]?\d|2[0-3]):[0-5]\d(?::\d\d)?(?![\d:])|\b24/7\b"),
        (Sort.PERCENT, rf"(?P<n>{_NUMBER})\s?(?:%|per ?cent\b|prozent\b)"),
        (Sort.ID, r"(?<![\w@])(?:#\s?|(?:no|nr)\.\s?)?(?=[\w-]{0,99}\d)(?=[\w-]{0,99}[a-z_])[a-z\d][\w-]{0,98}[\w](?![@\w])"),  # noqa: E501
        (Sort.ID, r"(?<![\w.,£€$])(?:#\s?)?\d{2,5}(?: \d{2,6}){2,12}(?![\w%])"),
        (Sort.ID, r"(?<![\w.,£€$-])#?\d{4,}(?![\w%]|[.,]\d)"),
        (Sort.NUMBER, rf"(?<![\w.])(?P<n>{_NUMBER})(?![\w])(?:(?:-| to | or | bis | à )(?={_NUMBER}))?(?P<u>[- ](?:(?:working|business|full|whole|more|calendar|further)[- ])?(?:{_UNIT})\b)?"),  # noqa: E501
    )
)  # fmt: skip
_ORDINAL = re.compile(r"\d{1,3}(?:st|nd|rd|th|p|g|kg|ml|cm|mm|l|x|am|pm)|24-?7|co2|h2o|[a-z]", re.IGNORECASE)
_LIST_MARK = re.compile(r"(?m)^[ \t]{0,20}\d{1,2}[.)]\s")
_RANGE = re.compile(rf"\s*(?:-|–|to|or|and|bis|à)\s*(?:{_NUMBER})\s*(?:(?:working|business|calendar)\s+)?(?P<u>{_UNIT})\b", re.I)  # fmt: skip  # noqa: E501
_SENTENCE_END = re.compile(
    r"(?<!\bno)(?<!\bnr)(?<!\be\.g)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<![.!?])[.!?]+[\"'”’)]*(?:\s+(?=[^a-z\s])|\s*$)|\n+"
)
_MEASURED = re.compile(r"(\d{1,4})(g|kg|ml|cm|mm|l|x)", re.IGNORECASE)


def facts_in(text: str) -> list[Fact]:
    """All facts of a text, in their order. A place is one fact: `£62.00` is an amount and not a number too."""
    taken = bytearray(len(text))
    for mark in _LIST_MARK.finditer(text):
        taken[mark.start() : mark.end()] = b"\x01" * (mark.end() - mark.start())
    found: list[Fact] = []
    for sort, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if any(taken[match.start() : match.end()]):
                continue
            fact = _fact(sort, match, text)
            if fact is None:
                continue
            end = match.end("n") if sort is Sort.NUMBER else match.end()
            taken[match.start() : end] = b"\x01" * (end - match.start())
            if fact.text != "24/7":
                found.append(fact)
    return sorted(found, key=lambda fact: fact.start)


def _fact(sort: Sort, match: re.Match[str], text: str) -> Fact | None:
    named, whole, start = match.groupdict(), match.group().strip(), match.start()
    if sort in (Sort.EMAIL, Sort.LINK):
        plain = whole.rstrip(".,;:!?")
        return Fact(sort, plain, start, key=plain.casefold())
    if sort is Sort.DATE:
        return _date(named, whole, start)
    if sort is Sort.ID:
        if whole == "24/7":
            return Fact(Sort.ID, whole, start)
        if named.get("t"):
            return Fact(sort, whole, start, key=time_of_day(whole))
        measured = _MEASURED.fullmatch(whole)
        if measured:
            return Fact(Sort.NUMBER, whole, start, value=Decimal(measured[1]))
        if _ORDINAL.fullmatch(whole) or re.fullmatch(rf"(?:{_WORDS}|\d+)(?:-[a-z]+)+", whole, re.IGNORECASE):
            compound = re.match(r"(\d+)-([a-z]+)", whole, re.IGNORECASE)
            if compound is None:
                return None
            return Fact(Sort.NUMBER, whole, start, value=Decimal(compound[1]), unit=_UNITS.get(compound[2].lower(), ""))
        key = plain_id(whole)
        return Fact(sort, whole, start, key=key) if key else None
    if sort is Sort.AMOUNT:
        return _amount(named, whole, start)
    value = number(named["n"] or "")
    if value is None:
        return None
    # "One of them" counts nothing.
    if sort is Sort.NUMBER and (named["n"] or "").casefold() in ("one", "zero", "a") and not named.get("u"):
        return None
    unit = (named.get("u") or "").strip(" -").split(" ")[-1].split("-")[-1].casefold()
    if sort is Sort.NUMBER and not unit and (ranged := _RANGE.match(text, match.end("n"))):
        unit = ranged["u"].casefold()
    return Fact(sort, whole.rstrip(), start, value=value, unit=_UNITS.get(unit, ""))


def _date(named: dict[str, str | None], whole: str, start: int) -> Fact | None:
    month_text, day_text, year_text = named["m"] or "", named.get("d"), named.get("y")
    if month_text in ("may", "march", "mars", "dec", "mar", "sept", "jan"):  # "you may 3 times"
        return None
    month = int(month_text) if month_text.isdigit() else _MONTHS[month_text.casefold()]
    year = int(year_text) if year_text else None
    if year is not None and year < 100:
        year += 2000
    day = int(day_text) if day_text else None
    date = (year, month, day)
    other = (year, day, month) if named.get("s") == "/" and day is not None and day <= 12 else None
    if month > 12 and day is not None and day <= 12:
        date, month, day = (year, day, month), day, month
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return None
    return Fact(Sort.DATE, whole, start, date=date, other=other)


def _amount(named: dict[str, str | None], whole: str, start: int) -> Fact | None:
    pence = number(named["p"] or "") if named.get("p") else None
    if "n" not in named:
        return Fact(Sort.AMOUNT, whole, start, value=(pence or Decimal(0)) / 100)
    value = number(named["n"] or named["n2"] or "")
    currency = _CURRENCIES[(named["c"] or named["c2"] or "").casefold()]
    if value is None:
        return None
    return Fact(Sort.AMOUNT, whole, start, value=value + (pence or Decimal(0)) / 100, unit=currency)


def number(text: str) -> Decimal | None:
    """The number that digits or English words say: `1,000`, `62.0`, `62,00`, `sixty-two`; None when they say none."""
    plain = text.strip().casefold()
    if plain[:1].isdigit():
        plain = re.sub(r"[’' \u00a0\u202f]", "", plain)
        if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d+,\d{1,2}", plain):
            plain = plain.replace(".", "").replace(",", ".")
        try:
            return Decimal(plain.replace(",", ""))
        except InvalidOperation:
            return None
    total, part = 0, 0
    for word in re.split(r"[-\s,]+", plain):
        if word in _ONES:
            part += _ONES[word]
        elif word in _TENS:
            part += _TENS[word]
        elif word == "a":
            part += 1
        elif word == "hundred":
            part *= 100
        elif word == "thousand":
            total, part = total + part * 1000, 0
        elif word != "and":
            return None
    return Decimal(total + part)


def time_of_day(text: str) -> str:
    """`09:30`, `9:30` and `9:30:00` are `at 930`."""
    hour, minute = text.split(":")[:2]
    return f"at {int(hour)}{minute}"


def plain_id(text: str) -> str:
    """An id without what is only writing: case, `#`, dashes, spaces."""
    return re.sub(r"[^a-z0-9]", "", text.casefold().removeprefix("no.").removeprefix("nr."))


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence or line of a text begins and ends; the space after it belongs to it."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)
