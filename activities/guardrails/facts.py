"""Facts in a text: amounts, dates, numbers, percentages, ids, addresses; each in one form, however it is written.

Numbers in words are read as digits first (`activities.guardrails.numerals`), so that one set of patterns does for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from activities.guardrails.numerals import CURRENCIES, DIGITS, MONTHS, PERCENT_WORDS, UNITS, WEEKDAYS, number, spelled


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
        key: Of an id, an e-mail address or a link, in the form that is compared; of a date without digits which day
            it is (`weekday 0` for a Monday, `today +1`).
    """

    sort: Sort
    text: str
    start: int = 0
    value: Decimal = Decimal(0)
    unit: str = ""
    date: tuple[int | None, int, int | None] | None = None
    other: tuple[int | None, int, int | None] | None = None
    key: str = ""


_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_ANY_MONTH = r"\b[^\W\d_]{3,12}\b"
_SIGN = r"US\$|[£€$¥₹]|\b(?:GBP|EUR|USD|CHF|JPY|PLN|CAD|AUD|INR)\b"
_MONEY_WORD = "|".join(sorted((word for word in CURRENCIES if word.isalpha()), key=len, reverse=True))
_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
_PERCENT = "|".join(word.replace(" ", r"\s") for word in PERCENT_WORDS)
_KIND_OF_DAY = r"(?:working|business|full|whole|more|calendar|further)"
_CLOCK = r"(?<![\d:])(?P<t>(?:[01]?\d|2[0-3]):[0-5]\d)(?::\d\d)?(?![\d:])(?:\s?(?P<h>[ap])\.?m\b\.?)?"

_PATTERNS: tuple[tuple[Sort, re.Pattern[str]], ...] = tuple(
    (sort, re.compile(pattern, re.IGNORECASE))
    for sort, pattern in (
        (Sort.EMAIL, r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
        (Sort.LINK, r"\b(?:https?://|www\.)[^\s<>\"')\]]+"),
        (
            Sort.DATE,
            r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
        ),
        (Sort.DATE, r"(?<![\d./])(?P<d>\d{1,2})(?P<s>[/.])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4}|\d\d)(?![\d/])"),
        (
            Sort.DATE,
            rf"(?<![\d.])(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.|º|er)?(?:-(?=[a-z]))?(?: (?:day )?of| de)?[\s-]*"
            rf"(?<=[\s.-])(?P<m>{_MONTH})\b\.?(?:(?:,?(?: de)?\s+|-)(?P<y>\d{{4}}))?",
        ),
        (
            Sort.DATE,
            rf"(?P<m>{_ANY_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d|[.,]\d\d\b)(?:,?\s+(?P<y>\d{{4}}))?",
        ),
        (Sort.DATE, rf"(?P<m>{_ANY_MONTH})\.?\s+(?P<y>\d{{4}})\b"),
        (Sort.DATE, rf"\b(?P<w>{'|'.join(WEEKDAYS)}|tomorrow|yesterday)\b(?!-)"),
        (
            Sort.AMOUNT,
            rf"(?P<c>{_SIGN})\s?-?(?P<n>{DIGITS})"
            rf"|(?P<n2>{DIGITS})\s?(?P<c2>[£€$¥₹]|(?:{_MONEY_WORD})\b)"
            r"(?:(?: and)?\s{1,9}(?P<p>\d{1,2})(?: (?:pence|cents?|p))?(?![\w,.]*\d)(?= |[.,;!?)]|$))?",
        ),
        (Sort.AMOUNT, r"(?<![\w.,])(?P<p>\d{1,3})(?:p\b| pence\b)"),
        (Sort.ID, rf"{_CLOCK}|\b24/7\b|(?<![\w.])(?P<t2>1?\d)\s?(?P<h2>[ap])\.?m\b\.?"),
        (Sort.PERCENT, rf"(?P<n>{DIGITS})\s?(?:%|(?:{_PERCENT})\b)"),
        (
            Sort.ID,
            r"(?<![\w@])(?:#\s?|(?:no|nr)\.\s?)?(?=[\w-]{0,99}\d)(?=[\w-]{0,99}[a-z_])[a-z\d][\w-]{0,98}[\w](?![@\w])",
        ),
        (Sort.ID, r"(?<![\w.,£€$])(?:#\s?)?\d{2,5}(?: \d{2,6}){2,12}(?![\w%])"),
        (Sort.ID, r"(?<![\w.,£€$-])#?\d{4,}(?![\w%]|[.,]\d)"),
        (
            Sort.NUMBER,
            rf"(?<![\w.])(?P<n>{DIGITS})(?![\w])(?:(?:-| to | or | bis | à )\s*(?={DIGITS}))?"
            rf"(?P<u>[ -](?:{_KIND_OF_DAY}[- ])?(?:{_UNIT})\b)?",
        ),
    )
)
_VERBS = frozenset({"may", "march", "dec", "mar", "sept", "jan"})
_ORDINAL = re.compile(r"\d{1,3}(?:st|nd|rd|th|p|g|kg|ml|cm|mm|l|x)|24-?7|co2|h2o|[a-z]", re.IGNORECASE)
_GERMAN_DAY = re.compile(rf"(?:{_MONTH})\b", re.IGNORECASE)
_LIST_MARK = re.compile(r"(?m)^[ \t]{0,20}\d{1,2}[.)]\s")
_RANGE = re.compile(
    rf"\s{{0,20}}(?:-|–|to|or|and|bis|oder|à|ou|a|o|tot|do|e|y)\s{{0,20}}(?:{DIGITS})\s?(?:{_KIND_OF_DAY}\s)?(?P<u>{_UNIT})\b",
    re.IGNORECASE,
)
_COMPOUND = re.compile(r"(\d+)((?:-[a-z]+)+)", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"(?<!\bno)(?<!\bnr)(?<!\be\.g)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<![.!?])[.!?]+[\"'”’)]*(?:\s+(?=[^a-z\s])|\s*$)|\n+"
)
_MEASURED = re.compile(r"(\d{1,4})(g|kg|ml|cm|mm|l|x)", re.IGNORECASE)


def facts_in(text: str) -> tuple[Fact, ...]:
    """All facts of a text, in their order. A place is one fact: `£62.00` is an amount and not a number too."""
    plain, begins = _in_digits(text)
    taken = bytearray(len(plain))
    for mark in _LIST_MARK.finditer(plain):
        taken[mark.start() : mark.end()] = b"\x01" * (mark.end() - mark.start())
    found: list[Fact] = []
    for sort, pattern in _PATTERNS:
        for match in pattern.finditer(plain):
            if taken.find(1, match.start(), match.end()) >= 0:
                continue
            fact = _fact(sort, match, plain)
            if fact is None:
                continue
            end = match.end("n") if sort is Sort.NUMBER else match.end()
            taken[match.start() : end] = b"\x01" * (end - match.start())
            if fact.text != "24/7":
                start = begins.get(fact.start, fact.start)
                found.append(replace(fact, start=start, text=text[start : fact.start + len(fact.text)]))
    return tuple(sorted(found, key=lambda fact: fact.start))


def _in_digits(text: str) -> tuple[str, dict[int, int]]:
    """The text with its number words as digits, each at the end of its place, and where the words of each begin."""
    parts, at, begins = [], 0, {}
    for each in spelled(text):
        digits = str(each.value)
        if len(digits) > each.end - each.start:
            continue
        parts += [text[at : each.start], digits.rjust(each.end - each.start)]
        begins[each.end - len(digits)] = each.start
        at = each.end
    return ("".join([*parts, text[at:]]), begins) if parts else (text, {})


def _fact(sort: Sort, match: re.Match[str], text: str) -> Fact | None:
    named, whole = match.groupdict(), match.group()
    start = match.start() + len(whole) - len(whole.lstrip())
    whole = whole.strip()
    if sort in (Sort.EMAIL, Sort.LINK):
        plain = whole.rstrip(".,;:!?")
        return Fact(sort, plain, start, key=plain.casefold())
    if sort is Sort.DATE:
        return _date(named, whole, start)
    if sort is Sort.ID:
        return _id(named, whole, start)
    if sort is Sort.AMOUNT:
        return _amount(named, whole, start)
    value = number(named["n"] or "")
    if value is None:
        return None
    unit = (named.get("u") or "").strip(" -").split(" ")[-1].split("-")[-1].casefold()
    if sort is Sort.NUMBER and not unit and (ranged := _RANGE.match(text, match.end("n"))):
        unit = ranged["u"].casefold()
    return Fact(sort, whole, start, value=value, unit=UNITS.get(unit, ""))


def _id(named: dict[str, str | None], whole: str, start: int) -> Fact | None:
    if whole == "24/7":
        return Fact(Sort.ID, whole, start)
    if clock := named.get("t") or named.get("t2"):
        return Fact(Sort.ID, whole, start, key=time_of_day(clock, named.get("h") or named.get("h2") or ""))
    if measured := _MEASURED.fullmatch(whole):
        return Fact(Sort.NUMBER, whole, start, value=Decimal(measured[1]))
    if compound := _COMPOUND.fullmatch(whole):
        unit = UNITS.get(compound[2].split("-")[-1].casefold(), "") or UNITS.get(
            compound[2].split("-")[1].casefold(), ""
        )
        return Fact(Sort.NUMBER, whole, start, value=Decimal(compound[1]), unit=unit)
    key = "" if _ORDINAL.fullmatch(whole) else plain_id(whole)
    return Fact(Sort.ID, whole, start, key=key) if key else None


def _date(named: dict[str, str | None], whole: str, start: int) -> Fact | None:
    if word := (named.get("w") or "").casefold():
        days = {"tomorrow": "today +1", "yesterday": "today -1"}
        return Fact(Sort.DATE, whole, start, key=days.get(word) or f"weekday {WEEKDAYS[word]}")
    month_text, day_text, year_text = named["m"] or "", named.get("d"), named.get("y")
    if month_text in _VERBS or (month_text in ("mei", "mai", "sep") and not whole[0].isdigit()):  # "you may 3 times"
        return None
    month = int(month_text) if month_text.isdigit() else MONTHS.get(month_text.casefold(), 0)
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
    currency = CURRENCIES[(named["c"] or named["c2"] or "").casefold()]
    if value is None:
        return None
    return Fact(Sort.AMOUNT, whole, start, value=value + (pence or Decimal(0)) / 100, unit=currency)


def time_of_day(text: str, half: str = "") -> str:
    """`09:30`, `9:30`, `9:30 am` and `9:30:00` are `at 930`; `3 pm` is `at 1500`."""
    hour, _, minute = text.partition(":")
    later = 12 * (half.casefold() == "p" and int(hour) < 12) - 12 * (half.casefold() == "a" and int(hour) == 12)
    return f"at {int(hour) + later}{minute[:2] or '00'}"


def plain_id(text: str) -> str:
    """An id without what is only writing: case, `#`, dashes, spaces."""
    return re.sub(r"[^a-z0-9]", "", text.casefold().removeprefix("no.").removeprefix("nr."))


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence or line of a text begins and ends; the space after it belongs to it."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if text[match.start() - 1 : match.start()].isdigit() and _GERMAN_DAY.match(text, match.end()):
            continue  # 21. April
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)
