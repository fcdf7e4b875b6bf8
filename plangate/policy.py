"""Rules about tools, in words that the owner of an agent can sign off, and the verdicts they give.

A rule is one of

    by itself
    asks first
    drafts it, a person does it
    never
    by itself when amount is under 25, otherwise asks first
    asks first when address.country is not GB, otherwise by itself

Conditions look at the call's bound arguments and can be joined with `and`. What can't be evaluated (an argument that
is missing or of another type) never allows: the rule then gives the stricter of its two actions.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from plangate.currencies import CODES, quantity


class Action(StrEnum):
    """What a guardrail or a rule says; from lenient to strict."""

    ALLOW = "allow"
    CHANGE = "change"
    ASK = "ask"
    DRAFT = "draft"
    """The agent prepares the call; a person does it, and says what came of it."""
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """Higher is stricter."""
        return list(Action).index(self)


GATED = frozenset({Action.ASK, Action.DRAFT})
"""What opens a gate."""


class Verdict(BaseModel):
    """What a rule or guardrail says, with its reason and the rule's id. It enters history: no personal data in it."""

    model_config = ConfigDict(frozen=True)

    action: Action
    rule: str = ""
    """Id of the rule that decided: `injection.override`, `scope.tools.refund_payment`."""
    reason: str = ""
    """In words that the person who asked may read."""
    guard: str = ""
    """The guardrail's name in the registry, `input.injection`; empty for a scope's rule about a tool."""
    detail: str = ""
    """For those who look into it: what was found, how often, which score. Never the personal data itself."""
    call: str = ""
    """The call that it is about; empty when it is about the request or the answer."""


class Condition(BaseModel):
    """One comparison of an argument with a fixed value."""

    model_config = ConfigDict(frozen=True)

    field: str
    """Dotted path into the arguments."""
    op: str
    """One of `<`, `<=`, `>`, `>=`, `==`, `!=`."""
    value: Any
    currency: str = ""
    """ISO 4217, where the value is an amount of money."""

    def holds(self, args: Mapping[str, Any]) -> bool | None:
        """True or false; None when the argument is missing or not comparable."""
        found: Any = args
        for part in self.field.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return None
            found = found[part]
        return _compare(self.op, found, self.value)


class Rule(BaseModel):
    """When a tool may be called."""

    model_config = ConfigDict(frozen=True)

    then: Action
    when: list[Condition] = Field(default_factory=list)
    otherwise: Action | None = None
    text: str = ""
    """The rule as its owner wrote it."""

    def verdict(self, tool: str, args: Mapping[str, Any]) -> Verdict:
        """What the rule says of a call with these bound arguments."""
        rule = f"scope.tools.{tool}"
        if not self.when or self.otherwise is None:
            return Verdict(action=self.then, rule=rule, reason=f"the scope says {self.text!r} for {tool}")
        results = [condition.holds(args) for condition in self.when]
        if None in results:
            stricter = max(self.then, self.otherwise, key=lambda action: action.strictness)
            unknown = self.when[results.index(None)].field
            return Verdict(
                action=stricter, rule=rule, reason=f"{unknown!r} of {tool} can't be compared as {self.text!r} says"
            )
        action = self.then if all(results) else self.otherwise
        return Verdict(action=action, rule=rule, reason=f"the scope says {self.text!r} for {tool}")

    @property
    def short(self) -> str:
        """`allow`, `ask`, `draft`, `never`, or `when` for a rule that depends on the arguments."""
        if self.when:
            return "when"
        return {Action.ALLOW: "allow", Action.BLOCK: "never", Action.DRAFT: "draft"}.get(self.then, "ask")


_ACTIONS = {
    "by itself": Action.ALLOW,
    "asks first": Action.ASK,
    "drafts it": Action.DRAFT,
    "drafts it, a person does it": Action.DRAFT,
    "never": Action.BLOCK,
}
_OPERATORS: list[tuple[str, str]] = [
    ("is at least", ">="),
    ("is at most", "<="),
    ("is up to", "<="),
    ("is under", "<"),
    ("is below", "<"),
    ("is less than", "<"),
    ("is over", ">"),
    ("is above", ">"),
    ("is more than", ">"),
    ("is not", "!="),
    ("is", "=="),
    ("<=", "<="),
    (">=", ">="),
    ("!=", "!="),
    ("=", "=="),
    ("<", "<"),
    (">", ">"),
]
RULE_HELP = (
    "a rule is 'by itself', 'asks first', 'drafts it, a person does it', 'never', or for example "
    "'by itself when amount is under 25, otherwise asks first'"
)


_MARKS = re.compile(r"[`*]+|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)")
"""Markdown's code and emphasis marks; an underscore inside a name is none."""
_QUOTES = str.maketrans("“”„‘’", '"""\'\'')

_UNCLEAR = re.compile(
    r"\bor\b|^(?:at|up to|under|below|less|over|above|more)\b|^not$|^@"
    r"|^(?:in|not|no|one|any|none|between|like|about|bigger|greater|larger|higher|smaller|lower|fewer|equal|than)\s",
    re.I,
)
"""Words in a value without quotes that mean more than a value."""


def parse_rule(text: str) -> Rule:
    """Read a rule.

    Raises:
        ValueError: When it can't be read; the message says what is allowed.
    """
    plain = _MARKS.sub("", " ".join(text.split()).translate(_QUOTES)).strip().rstrip(".")
    words = plain.lower()
    if words in _ACTIONS:
        return Rule(then=_ACTIONS[words], text=plain)
    match = re.fullmatch(
        r"(by itself|asks first|drafts it|never) (?:when|if) (.+?)[,;] (?:otherwise|else) (?:it )?(.+)", plain, re.I
    )
    if not match or match[3].lower() not in _ACTIONS:
        raise ValueError(f"{plain!r} is not a rule: {RULE_HELP}")
    conditions = [_condition(part) for part in re.split(r"\s+and\s+", match[2])]
    then, otherwise = _ACTIONS[match[1].lower()], _ACTIONS[match[3].lower()]
    if then is otherwise:
        raise ValueError(f"{plain!r} says {match[1].lower()!r} in any case: its condition changes nothing")
    return Rule(then=then, when=conditions, otherwise=otherwise, text=plain)


def _condition(text: str) -> Condition:
    for words, op in _OPERATORS:
        match = re.fullmatch(rf"([A-Za-z_][\w.]*)\s*{re.escape(words)}(?:\s+|(?<=[<>=])\s*)(.+)", text.strip(), re.I)
        if match:
            value = _value(match[2])
            if op not in ("==", "!=") and not isinstance(value, float):
                raise ValueError(f"{text!r} compares with {match[2]!r}, which isn't a number; {RULE_HELP}")
            if isinstance(value, str) and _UNCLEAR.search(value) and value == match[2].strip():
                raise ValueError(
                    f"{text!r} is unclear: conditions are joined with 'and' only, and negated by 'is not VALUE'; "
                    "a value of several words stands in quotes"
                )
            currency = _currency(match[2]) if isinstance(value, float) else ""
            return Condition(field=match[1], op=op, value=value, currency=currency)
    raise ValueError(f"{text!r} is not a condition: write for example 'amount is under 25'; {RULE_HELP}")


def _currency(text: str) -> str:
    """The currency of an amount.

    Raises:
        ValueError: It has two.
    """
    unit = quantity(text)[1]
    return unit if unit in CODES else ""


def _value(text: str) -> Any:
    plain = text.strip()
    if len(plain) >= 2 and plain[0] == plain[-1] and plain[0] in "'\"":
        return plain[1:-1]
    number = re.fullmatch(r"[£$€]?\s*(-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+)\s*(?:[A-Z]{3}|[£$€])?", plain)
    if number:
        return float(number[1].replace(",", ""))
    return {"true": True, "yes": True, "false": False, "no": False}.get(plain.lower(), plain)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def _compare(op: str, left: Any, right: Any) -> bool | None:
    if isinstance(left, str) and isinstance(right, float):
        try:
            left = float(left)
        except ValueError:
            return None
    comparable = isinstance(left, (int, float)) and not isinstance(left, bool) and isinstance(right, float)
    if not comparable and type(left) is not type(right):
        return None
    if isinstance(left, float) and math.isnan(left):
        return None  # it compares false with everything, so it would pass rules that ask above a limit
    return _COMPARE[op](left, right)
