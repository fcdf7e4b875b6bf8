"""Limits of single actions: what a tool may be called with, in words that an owner can sign off.

    | Tool | Argument | Limit | When exceeded |
    |---|---|---|---|
    | refund_payment | amount | at most £500 | asks the owner |
    | send_email | to | only addresses at example.com, or the customer's own | never |
    | send_email | calls in a run | at most 3 calls | asks the desk |
    | list_orders | limit | at most 20 rows | never |
    | ship | carrier | one of Royal Mail, DHL | asks first |

A limit never makes a rule more lenient: the stricter of all verdicts holds. What can't be compared counts as exceeded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from plangate.currencies import CODES, quantity, shown
from plangate.policy import Action, Verdict

CALLS = "calls in a run"
"""In the column of arguments: how often a run calls the tool."""
OWN = "the customer's own"
_OWN = re.compile(r"(?:the )?(?:customer|user|requester|person)(?:'s|s')? own(?: address)?", re.I)
_ADDRESS_PART = re.compile(r"[\w.+-]*@?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.I)
_QUOTES = str.maketrans("“”„‘’", '"""\'\'')


class LimitOf(StrEnum):
    """What of an argument is limited."""

    NUMBER = "number"
    ITEMS = "items"
    CHARACTERS = "characters"
    CHOICE = "choice"
    ADDRESS = "address"
    CALLS = "calls"


class ActionLimit(BaseModel):
    """One line of the table."""

    model_config = ConfigDict(frozen=True)

    tool: str
    argument: str
    """Dotted path into the arguments; through a list it means each of its items."""
    of: LimitOf
    least: Decimal | None = None
    most: Decimal | None = None
    currency: str = ""
    """ISO 4217; empty for what isn't money."""
    values: list[str] = Field(default_factory=list)
    """Allowed values, or domains and addresses."""
    own: bool = False
    """The requester's own address is allowed too."""
    then: Action = Action.BLOCK
    who: str = ""
    """Who is asked, in the owner's words."""
    text: str = ""
    line: int = 0

    @property
    def rule(self) -> str:
        """Its id in verdicts."""
        return f"scope.actions.{self.tool}.{self.argument.replace(' ', '-')}"

    def verdict(self, args: Mapping[str, Any], *, user: str | None = None, nth: int = 0) -> Verdict | None:
        """What it says of a call; None when the call is within it.

        Args:
            args: The bound arguments.
            user: Who asked for the run.
            nth: Which call of the tool in its run this is, from 1; 0 when nobody counts.
        """
        wrong = self._wrong(args, user, nth)
        if wrong is None:
            return None
        asks = f"; {self.who or 'a person'} is asked" if self.then is Action.ASK else ""
        return Verdict(action=self.then, rule=self.rule, reason=f"{wrong}; the scope says {self.text!r}{asks}")

    def _wrong(self, args: Mapping[str, Any], user: str | None, nth: int) -> str | None:
        if self.of is LimitOf.CALLS:
            return f"it is call {nth} of {self.tool} in this run" if self.most is not None and nth > self.most else None
        found = list(_found(args, self.argument.split(".")))
        if not found:
            return f"{self.argument!r} of {self.tool} is missing"
        for value in found:
            if not self._within(value, user):
                return f"{self.argument} is {self._told(value)}"
        return None

    def _told(self, value: Any) -> str:
        """The value for a reason, which enters history and may be read by the requester: of an address its domain."""
        if self.of is not LimitOf.ADDRESS:
            return _short(value, self.currency)
        domains = [f"…@{one.rpartition('@')[2]}" for one in _texts(value) if "@" in one]
        return _short(", ".join(domains) if domains else value, "")

    def _within(self, value: Any, user: str | None) -> bool:
        if self.of is LimitOf.NUMBER:
            return self._in_bounds(_number(value))
        if value is None:
            return True  # nothing to count, to choose, or to write to
        if self.of is LimitOf.ITEMS:
            return isinstance(value, (list, dict)) and self._in_bounds(Decimal(len(value)))
        if self.of is LimitOf.CHARACTERS:
            return isinstance(value, str) and self._in_bounds(Decimal(len(value)))
        each = value if isinstance(value, list) else [value]
        if self.of is LimitOf.CHOICE:
            return all(_plain(one) in self.values for one in each)
        return all(isinstance(one, str) and self._may_reach(one, user) for one in each)

    def _in_bounds(self, number: Decimal | None) -> bool:
        if number is None:
            return False
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)

    def _may_reach(self, text: str, user: str | None) -> bool:
        """Whether an address or the host of a URL is one of those allowed; several in one text are not."""
        if not text.isascii():
            return False  # what looks like one of them, or turns into one when upper and lower case are folded
        plain = text.strip().lower()
        if self.own and user and plain == user.strip().lower() and "@" in plain:
            return True
        address = re.fullmatch(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@((?:[a-z0-9-]+\.)+[a-z]{2,})", plain)
        url = re.fullmatch(r"https?://((?:[a-z0-9-]+\.)+[a-z]{2,})(?::\d+)?(?:[/?#][^\s\\@]*)?", plain)
        bare = re.fullmatch(r"((?:[a-z0-9-]+\.)+[a-z]{2,})", plain)
        match = address or url or bare
        return match is not None and (match[1] in self.values or plain in self.values)


def strictest(verdicts: Iterable[Verdict | None]) -> Verdict:
    """The strictest verdict; the reasons of those that are equally strict are joined, and their rules too."""
    given = [verdict for verdict in verdicts if verdict is not None]
    most = max(given, key=lambda verdict: verdict.action.strictness)
    same = [verdict for verdict in given if verdict.action is most.action]
    if len(same) == 1 or most.action is Action.ALLOW:
        return most
    rules, reasons = (
        dict.fromkeys(filter(None, texts)) for texts in ([v.rule for v in same], [v.reason for v in same])
    )
    return most.model_copy(update={"rule": " ".join(rules), "reason": "; ".join(reasons)})


def _found(value: Any, path: list[str]) -> Iterator[Any]:
    """The values under a path; none when it leads nowhere, or leads through a value of another kind."""
    if not path:
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _found(each, path)
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _found(value[path[0]], path[1:])


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


_SHOWN_DIGITS = 30
"""Digits of an amount that is written out; others are said as they came: 1E+999999 has a million."""


def _plain(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, "") if isinstance(value, bool) else str(value)


def _short(value: Any, currency: str) -> str:
    number = _number(value)
    if currency and number is not None and number.adjusted() < _SHOWN_DIGITS:
        return shown(number, currency)
    if isinstance(value, list):
        return f"{len(value)} items"
    text = repr(value)
    return (
        text
        if len(text) <= 60
        else f"{text[:60]}… ({len(value):,} characters)"
        if isinstance(value, str)
        else text[:60]
    )


# --- reading ---

LIMIT_HELP = (
    "a limit is for example 'at most £500', 'at least 1', 'between 1 and 20 rows', 'at most 10 items', "
    "'at most 2,000 characters', 'one of DHL, Royal Mail' or 'only addresses at example.com, or the customer's own'"
)
THEN_HELP = "when a limit is exceeded the agent 'asks first', asks somebody ('asks the owner'), or does it 'never'"
_COUNTS = {"item": LimitOf.ITEMS, "entries": LimitOf.ITEMS, "character": LimitOf.CHARACTERS}
_PLAIN_UNITS = frozenset({"", "row", "line", "piece", "unit", "result", "order", "day", "hour", "percent"})


def parse_limit(tool: str, argument: str, limit: str, then: str, *, line: int = 0) -> ActionLimit:
    """Read one line of the table.

    Raises:
        ValueError: When it can't be read; the message says what is allowed.
    """
    text = " ".join(limit.split()).translate(_QUOTES).rstrip(".")
    action, who = parse_then(then)
    values: dict[str, Any] = {"tool": tool, "argument": argument, "text": text, "then": action, "who": who}
    if argument.casefold() == CALLS:
        return ActionLimit(**values | _calls(text), line=line)
    return ActionLimit(**values | _bounds(text), line=line)


def parse_then(text: str) -> tuple[Action, str]:
    """What happens beyond a limit, and who is asked.

    Raises:
        ValueError: When it isn't said, or can't be read.
    """
    plain = " ".join(text.split()).rstrip(".")
    if not plain:
        raise ValueError(f"it says a limit and not what happens when it is exceeded: {THEN_HELP}")
    if plain.casefold() == "never":
        return Action.BLOCK, ""
    match = re.fullmatch(r"asks (.+)", plain, re.I)
    if match is None:
        raise ValueError(f"{plain!r} can't be read: {THEN_HELP}")
    if re.search(r"\b(?:or|never|itself)\b|^first\b.", match[1], re.I):
        raise ValueError(f"{plain!r} says two things: {THEN_HELP}")
    return Action.ASK, "" if match[1].casefold() == "first" else match[1]


def _calls(text: str) -> dict[str, Any]:
    match = re.fullmatch(r"(?:at most|up to) (.+)", text, re.I)
    if match is None:
        raise ValueError(f"{text!r} can't be read: calls are limited by for example 'at most 3 calls'")
    number, unit = quantity(match[1])
    if unit.casefold().rstrip("s") not in ("", "call", "time") or number != int(number) or number < 0:
        raise ValueError(f"{text!r} is not a number of calls; write for example 'at most 3 calls'")
    return {"of": LimitOf.CALLS, "most": number}


def _bounds(text: str) -> dict[str, Any]:
    if match := re.fullmatch(r"(?:one of|only) (?!addresses|domains|sites)(.+)", text, re.I):
        return {"of": LimitOf.CHOICE, "values": _listed(match[1])}
    if match := re.fullmatch(r"only (?:addresses|domains|sites)(?: at| of| on)? (.+)", text, re.I):
        return _addresses(match[1])
    if match := re.fullmatch(r"between (.+?) and (.+)", text, re.I):
        (least, first), (most, unit) = quantity(match[1]), quantity(match[2])
        if first and first != unit:
            raise ValueError(f"{text!r} has two units, {first} and {unit or 'none'}")
        if least > most:
            raise ValueError(f"{text!r} allows nothing: {least} is more than {most}")
        return {"least": least, "most": most, **_unit(unit, text, least)}
    if match := re.fullmatch(r"(at most|up to|at least) (.+)", text, re.I):
        number, unit = quantity(match[2])
        side = "least" if match[1].casefold() == "at least" else "most"
        return {side: number, **_unit(unit, text, number)}
    raise ValueError(f"{text!r} is not a limit: {LIMIT_HELP}")


def _unit(unit: str, text: str, number: Decimal) -> dict[str, Any]:
    if number < 0 and (unit in CODES or _COUNTS.get(unit.casefold().removesuffix("s"))):
        raise ValueError(f"{text!r} is below zero; an amount or a count is zero or more")
    if unit in CODES:
        return {"of": LimitOf.NUMBER, "currency": unit}
    singular = unit.casefold().removesuffix("s")
    if found := _COUNTS.get(unit.casefold()) or _COUNTS.get(singular):
        return {"of": found}
    if singular in _PLAIN_UNITS:
        return {"of": LimitOf.NUMBER}
    known = ", ".join(sorted(f"{each}s" for each in _PLAIN_UNITS - {"", "percent"}))
    raise ValueError(
        f"{text!r} is counted in {unit!r}, which isn't known: an amount of money has a currency (£500, 500 EUR), "
        f"a list 'items', a text 'characters', a number nothing or {known} or percent"
    )


def _addresses(text: str) -> dict[str, Any]:
    parts = _listed(text)
    own = [part for part in parts if _OWN.fullmatch(part)]
    domains = [part.casefold().removeprefix("@") for part in parts if part not in own]
    for domain in domains:
        if not domain.isascii():
            raise ValueError(f"{domain!r} has letters beyond a to z; write it as mail and web have it: xn--…")
        if not _ADDRESS_PART.fullmatch(domain):
            raise ValueError(f"{domain!r} is no domain or address; write for example 'only addresses at example.com'")
    return {"of": LimitOf.ADDRESS, "values": domains, "own": bool(own)}


def _listed(text: str) -> list[str]:
    """The parts of "a, b or c"; quotes keep a comma or an "or" inside."""
    quoted: list[str] = []

    def keep(match: re.Match[str]) -> str:
        quoted.append(match[2])
        return f"\x00{len(quoted) - 1}"

    bare = re.sub(r"""(?:(?<=^)|(?<=[\s,]))(["'])(.*?)\1(?=[\s,]|$)""", keep, text)
    found = re.split(r",|(?:^|\s)(?:or|and)(?=\s)", bare)
    listed = [quoted[int(part[1:])] if part[0] == "\x00" else part for part in (p.strip() for p in found) if part]
    if not listed:
        raise ValueError(f"nothing is listed; {LIMIT_HELP}")
    return listed
