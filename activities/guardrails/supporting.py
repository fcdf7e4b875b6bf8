"""What supports a fact of an answer: the results, the request and its input, people's words, the owner's own page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from activities.guardrails.contracts import Answered
from activities.guardrails.facts import Fact, Sort, facts_in, plain_id, time_of_day

MOST_AMOUNTS = 40
"""Amounts whose sums and differences are looked at, and dates whose distances are."""
MOST_TEXT = 400_000
"""Characters of results whose facts are read, more than a model's prompt holds; in the rest a fact is looked for as it
is written."""
_DEPTH = 40
_OWNERS = "what it may answer"
_MONEY = re.compile(r"amount|price|total|paid|refund|cost|fee|balance|charge|due|sum", re.IGNORECASE)
_NOT_TIME = re.compile(rf"quantity|count|items|{_MONEY.pattern}", re.IGNORECASE)
_SHARE = re.compile(r"percent|pct|rate|share|discount|vat|tax", re.IGNORECASE)
_IN_DAYS = {"week": Decimal(7), "hour": Decimal(1) / 24, "day": Decimal(1), "minute": Decimal(1) / 1440}
_CLOCK = re.compile(r"(?<!\d)(?:[01]?\d|2[0-3]):[0-5]\d")
_facts_of_page = lru_cache(maxsize=32)(facts_in)
"""An owner's page is the same for all answers of a version."""
_CENT = Decimal("0.01")
_ISO = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d)")


@dataclass
class Support:
    """Everything that a fact may be taken from."""

    numbers: set[Decimal] = field(default_factory=set)
    times: set[tuple[Decimal, str]] = field(default_factory=set)
    """Numbers with their unit of time; without one when a field of a result has it."""
    amounts: set[Decimal] = field(default_factory=set)
    percents: set[Decimal] = field(default_factory=set)
    currencies: set[str] = field(default_factory=set)
    dates: set[tuple[int | None, int, int | None]] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    """E-mail addresses and links."""
    longest: int = 0
    """Of all lists: as many things can be counted."""
    days: set[str] = field(default_factory=set)
    """Weekdays, tomorrow and yesterday, where the texts say so themselves."""
    left: int = MOST_TEXT
    rest: list[str] = field(default_factory=list)
    """Texts that weren't read, in lower case."""
    foreign: Callable[[Mapping[str, Any]], bool] | None = None
    """Which records are left out, since they are of something else."""

    @classmethod
    def of(cls, answered: Answered, foreign: Callable[[Mapping[str, Any]], bool] | None = None) -> Support:
        """Read it from what an answer may rely on. Titles and goals are a model's words and support nothing."""
        task, found = answered.task, cls(foreign=foreign)
        found.add_text(answered.agent.scope.sections.get(_OWNERS, ""), _facts_of_page)
        for text in (task.request, task.user or "", task.today):
            found.add_text(text)
        for report in task.steps:
            found.add_text(report.summary)
            found.add_text(report.reason)
        for gap in task.gaps:
            found.add_text(gap)
        found.add(task.input)
        found.add(dict(answered.results))
        found.longest = max(found.longest, len(task.steps))
        found.derive()
        found.name_days(task.today)
        return found

    def add(self, value: Any, name: str = "", depth: int = 0) -> None:
        """Take in a JSON value.

        Args:
            value: It.
            name: The field that it stands in.
            depth: How deep it stands.
        """
        if depth > _DEPTH or value is None or isinstance(value, bool):
            return
        if isinstance(value, Mapping):
            if self.foreign is not None and self.foreign(value):
                return
            self._lines(value)
            for key, each in value.items():
                self.add(each, str(key), depth + 1)
        elif isinstance(value, list | tuple):
            self.longest = max(self.longest, len(value))
            self._sums([row for row in value if isinstance(row, Mapping) and not (self.foreign and self.foreign(row))])
            for each in value:
                self.add(each, name, depth + 1)
        elif isinstance(value, int | float):
            exact = Decimal(str(value))
            if exact.is_finite():
                self._number(exact, name)
        else:
            self.add_text(str(value))
            self.ids.add(plain_id(str(value))) if len(str(value)) <= 80 else None
            if str(value) in ("GBP", "EUR", "USD", "CHF", "JPY"):
                self.currencies.add(str(value))

    def _number(self, value: Decimal, name: str) -> None:
        value = abs(value)
        self.numbers.add(value)
        self.ids.add(plain_id(f"{value:f}"))
        if _MONEY.search(name):
            self.amounts.add(value)
        if not _NOT_TIME.search(name):
            self.times.add((value, ""))
        if _SHARE.search(name):
            self.percents.add(value)
        if 0 < value < 1:
            self.percents.add(value * 100)

    def _lines(self, row: Mapping[str, Any]) -> None:
        """A line of an order: quantity times price."""
        quantity = row.get("quantity")
        for key, price in row.items():
            if isinstance(quantity, int) and isinstance(price, int | float) and "price" in str(key):
                self.amounts.add(Decimal(str(price)) * quantity)

    def _sums(self, rows: list[Mapping[str, Any]]) -> None:
        """What the rows of a list make together, by field."""
        sums: dict[str, Decimal] = {}
        for row in rows:
            for key, value in row.items():
                if isinstance(value, int | float) and not isinstance(value, bool) and _MONEY.search(str(key)):
                    sums[key] = sums.get(key, Decimal(0)) + Decimal(str(value))
        self.amounts.update(sums.values())

    def add_text(self, text: str, read: Callable[[str], Iterable[Fact]] = facts_in) -> None:
        """Take in the facts of a text.

        Args:
            text: It.
            read: Reads its facts.
        """
        if len(text) > self.left:
            self.rest.append(text.casefold())
            return
        self.left -= len(text)
        if text.isalpha():  # a status, a currency: one word is no fact
            return
        for fact in read(text):
            if fact.sort is Sort.AMOUNT:
                self.amounts.add(fact.value)
                self.numbers.add(fact.value)
                self.currencies.update({fact.unit} - {""})
            elif fact.sort is Sort.NUMBER:
                self.numbers.add(fact.value)
                if fact.unit:
                    self.times.add((fact.value, fact.unit))
            elif fact.sort is Sort.PERCENT:
                self.percents.add(fact.value)
            elif fact.sort is Sort.DATE:
                self.dates.update({each for each in (fact.date, fact.other) if each})
                self.days.update({fact.key} - {""})
            elif fact.sort is Sort.ID:
                self.ids.add(fact.key)
                if fact.key.isdigit() and len(fact.key) <= 9:
                    self.numbers.add(Decimal(fact.key))
            else:
                self.words.add(fact.key)

        self.ids.update(time_of_day(found.group()) for found in _CLOCK.finditer(text))

    def derive(self) -> None:
        """What follows from the facts: sums and differences of two amounts, days between two dates."""
        base = sorted(self.amounts)[:MOST_AMOUNTS]
        self.amounts.update(abs(a - b) for a in base for b in base if a != b)
        self.amounts.update(a + b for n, a in enumerate(base) for b in base[n + 1 :])
        known = [each for each in map(_day, sorted(self.dates, key=str)) if each][:MOST_AMOUNTS]
        self.times.update((Decimal(abs((a - b).days)), "day") for a in known for b in known if a != b)

    def name_days(self, today: str) -> None:
        """Of which weekdays the dates are, and whether one is tomorrow or yesterday."""
        known = [day for day in map(_day, self.dates) if day is not None]
        self.days.update(f"weekday {day.weekday()}" for day in known)
        now = date.fromisoformat(today) if _ISO.fullmatch(today) else None
        for ahead, name in ((1, "today +1"), (-1, "today -1")):
            if now is not None and now + timedelta(days=ahead) in known:
                self.days.add(name)

    def holds(self, fact: Fact) -> bool:
        """Whether something supports the fact."""
        return self._known(fact) or any(fact.text.casefold() in text for text in self.rest)

    def _known(self, fact: Fact) -> bool:
        if fact.sort is Sort.AMOUNT:
            if fact.unit and self.currencies and fact.unit not in self.currencies:
                return False
            return any(abs(fact.value - each) < _CENT for each in self.amounts | self.numbers)
        if fact.sort is Sort.DATE:
            if fact.key:
                return fact.key in self.days
            return any(_same(each, known) for each in (fact.date, fact.other) if each for known in self.dates)
        if fact.sort is Sort.PERCENT:
            return fact.value in self.percents
        if fact.sort is Sort.NUMBER:
            return self._number_holds(fact)
        if fact.sort is Sort.ID:
            return self._id_holds(fact)
        return fact.key in self.words

    def _number_holds(self, fact: Fact) -> bool:
        if fact.unit:
            if (fact.value, fact.unit) in self.times or (fact.value, "") in self.times:
                return True
            factor = _IN_DAYS.get(fact.unit)
            return factor is not None and any(
                abs(value * _IN_DAYS[unit] - fact.value * factor) < Decimal("0.001")
                for value, unit in self.times
                if unit in _IN_DAYS and unit != fact.unit
            )
        return fact.value in self.numbers or fact.value in self.amounts or 0 <= fact.value <= self.longest

    def _id_holds(self, fact: Fact) -> bool:
        if fact.key in self.ids:
            return True
        digits = re.fullmatch(r"[a-z]{1,4}(\d{4,})", fact.key)
        if digits and digits[1] in self.ids:
            return True
        if fact.key.isdigit():
            if Decimal(fact.key) in self.numbers | self.amounts:
                return True
            return len(fact.key) == 4 and any(year == int(fact.key) for year, _, _ in self.dates)
        return False


def unsupported(facts: Iterable[Fact], support: Support) -> list[Fact]:
    """Those that nothing supports, wherever they stand."""
    return [fact for fact in facts if not support.holds(fact)]


def _same(written: tuple[int | None, int, int | None], known: tuple[int | None, int, int | None]) -> bool:
    """Whether they can be the same day; what isn't written down is open."""
    return written[1] == known[1] and all(
        a is None or b is None or a == b for a, b in ((written[0], known[0]), (written[2], known[2]))
    )


def _day(found: tuple[int | None, int, int | None]) -> date | None:
    year, month, day = found
    if year is None or day is None:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def supporting(answered: Answered) -> Support:
    """The support of an answer; read once for all the beginnings of it that are judged."""
    memo = answered.evidence.memo if answered.evidence is not None else {}
    if "support" not in memo:
        memo["support"] = Support.of(answered)
    found: Support = memo["support"]
    return found
