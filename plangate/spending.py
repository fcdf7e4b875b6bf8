"""Budgets: how much money consequential calls may move and models may cost, in all, for one user, session or run.

    | What | Counted | At most | When exceeded |
    |---|---|---|---|
    | refund_payment amount | per user and day | £200 | asks the owner |
    | models | per run | $0.50 | hands over |
    | models | per day | 2,000,000 tokens | declines |

What counts together is one *account*; its amounts are whole millionths, so that sums are exact. Days and months are
those of UTC.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from plangate.action_limits import parse_then
from plangate.currencies import CODES, quantity, shown
from plangate.policy import Action
from plangate.strictjson import digest

MODELS = "models"
TOKENS = "tokens"
MICROS = 1_000_000
MAX_AMOUNT = Decimal(1_000_000_000)
"""More than this is a slip of the pen."""


class Per(StrEnum):
    """What a budget counts together."""

    RUN = "run"
    SESSION = "session"
    USER_DAY = "user and day"
    USER_MONTH = "user and month"
    DAY = "day"
    MONTH = "month"


class Beyond(StrEnum):
    """What happens when a budget is used up."""

    ASK = "ask"
    """A gate names it (actions)."""
    NEVER = "never"
    """The call is refused (actions)."""
    DECLINE = "decline"
    """The request is declined, in friendly words (models)."""
    HAND_OVER = "hand over"
    """A person takes over (models)."""

    @property
    def action(self) -> Action:
        """As a verdict of an action has it."""
        return Action.ASK if self is Beyond.ASK else Action.BLOCK


class SpendingLimit(BaseModel):
    """A budget, from the scope file or set with `plangate budget set`."""

    model_config = ConfigDict(frozen=True)

    of: str
    """`models`, or `TOOL.ARGUMENT`: the argument that names the amount."""
    per: Per
    unit: str
    """ISO 4217 code, or `tokens`."""
    micros: int
    """The amount in millionths."""
    then: Beyond
    who: str = ""
    """Who is asked, in the owner's words."""
    agent: str = ""
    """The agent it is about; empty for all agents together. A scope's budgets are about its own agent."""
    user: str = ""
    """Only this user; empty for each user alike."""
    session: str = ""
    """Only this session; empty for each session alike."""
    set_by: str = ""
    """Who set it; empty for one of the scope file."""
    line: int = 0

    @property
    def tool(self) -> str:
        """The tool whose calls count; empty for models."""
        return "" if self.of == MODELS else self.of.partition(".")[0]

    @property
    def argument(self) -> str:
        """The argument that names the amount."""
        return self.of.partition(".")[2]

    @property
    def rule(self) -> str:
        """Its id in verdicts."""
        name = f"{self.of}.{self.per.value.replace(' ', '-')}"
        if not self.set_by:
            return f"scope.spending.{name}"
        whose = [self.agent, self.user, self.session, self.unit]
        return f"budget.{name}.{digest(whose)[:6]}"

    @property
    def words(self) -> str:
        """It in words: `£200.00 per user and day for refund_payment amount`."""
        of = self.of.replace(".", " ", 1)
        whose = f" of {self.user}" if self.user else f" of {self.session}" if self.session else ""
        return f"{shown(money(self.micros), self.unit)} per {self.per.value}{whose} for {of}"

    def applies(self, *, agent: str, user: str | None, session: str | None) -> bool:
        """Whether it is about such a run."""
        mine = self.agent in ("", agent)
        theirs = not self.user or self.user.strip().casefold() == (user or "").strip().casefold()
        return mine and theirs and self.session in ("", session or "")

    def account(self, *, run: str, agent: str, user: str | None, session: str | None, at: datetime) -> str:
        """Where it is counted. The same for all budgets that count the same things together.

        A name in capitals is the same person: whoever writes it otherwise has no second budget.
        """
        person = (user or "").strip().casefold()
        whom = {
            Per.RUN: run,
            Per.SESSION: session or run,
            Per.USER_DAY: person,
            Per.USER_MONTH: person,
        }.get(self.per, "")
        when = ""
        if self.per in (Per.DAY, Per.USER_DAY):
            when = at.strftime("%Y-%m-%d")
        elif self.per in (Per.MONTH, Per.USER_MONTH):
            when = at.strftime("%Y-%m")
        parts = (agent if self.agent else "*", self.of, self.unit, self.per.value, when, whom)
        return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)


def micros(amount: Decimal | float | str) -> int:
    """An amount in millionths, rounded up."""
    return int((Decimal(str(amount)) * MICROS).to_integral_value(ROUND_CEILING))


def money(micros: int) -> Decimal:
    """Millionths as an amount."""
    return Decimal(micros) / MICROS


def parse_amount(text: str, *, models: bool) -> tuple[int, str]:
    """An amount of a budget: millionths, and its currency or `tokens`.

    Raises:
        ValueError: It isn't an amount, is below zero or has the wrong unit; the message says what is allowed.
    """
    example = "'$0.50' or '200,000 tokens'" if models else "'£200' or '200 GBP'"
    try:
        number, unit = quantity(text)
    except ValueError as error:
        raise ValueError(f"{error}; write for example {example}") from None
    if number < 0:
        raise ValueError(f"{text!r} is below zero; a budget is zero or more")
    if number > MAX_AMOUNT:
        raise ValueError(f"{text!r} is more than {MAX_AMOUNT:,}")
    if models:
        if unit.casefold() in (TOKENS, "token"):
            return micros(number), TOKENS
        if unit != "USD":
            given = f"not in {unit!r}" if unit else "and the unit is missing"
            raise ValueError(f"what models cost is counted in USD or tokens, {given}; write for example {example}")
    elif unit not in CODES:
        given = f"{unit!r} is no currency" if unit else "the currency is missing"
        raise ValueError(f"{text!r} is not an amount of money: {given}; write for example {example}")
    return micros(number), unit


def parse_beyond(text: str, *, models: bool) -> tuple[Beyond, str]:
    """What happens when a budget is used up, and who is asked.

    Raises:
        ValueError: When it isn't said, or can't be read.
    """
    if not models:
        action, who = parse_then(text)
        return (Beyond.ASK if action is Action.ASK else Beyond.NEVER), who
    plain = " ".join(text.split()).rstrip(".").casefold()
    if known := {"declines": Beyond.DECLINE, "hands over": Beyond.HAND_OVER}.get(plain):
        return known, ""
    said = f"{text!r} can't be read" if plain else "it says a limit and not what happens when it is exceeded"
    raise ValueError(f"{said}: when a budget for models is used up the agent 'declines' or 'hands over'")


def parse_spending(what: str, counted: str, amount: str, then: str, *, line: int = 0) -> SpendingLimit:
    """Read one line of the table; the agent is filled in by who knows it.

    Raises:
        ValueError: When it can't be read; the message says what is allowed.
    """
    parts = what.split()
    models = [part.casefold() for part in parts] == [MODELS]
    if not models and len(parts) != 2:
        raise ValueError(
            f"{what!r} can't be read: write 'models', or a tool and its amount, for example 'refund_payment amount'"
        )
    per = {f"per {each.value}": each for each in Per}.get(" ".join(counted.split()).casefold())
    if per is None:
        allowed = ", ".join(f"'per {each.value}'" for each in Per)
        raise ValueError(f"{counted!r} can't be read: a budget is counted {allowed}")
    number, unit = parse_amount(amount, models=models)
    beyond, who = parse_beyond(then, models=models)
    fields: dict[str, Any] = {"per": per, "unit": unit, "micros": number, "then": beyond, "who": who}
    return SpendingLimit(of=MODELS if models else ".".join(parts), line=line, **fields)
