"""What budgets and limits of arguments would say of a plan: of amounts that are known; the others wait."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from activities.catalogue import LoadedAgent
from activities.spending import amount_of, over_budget
from activities.storage.budgets import Budgets, Line, spent_before
from activities.storage.engine import configured_url, parse_url
from activities.storage.store import Store
from plangate import expressions
from plangate.action_limits import LimitOf, strictest
from plangate.currencies import shown
from plangate.errors import InvalidInput, PlangateError
from plangate.forecasts import Forecast
from plangate.runs import RunRequest
from plangate.spending import MODELS, TOKENS, Per, SpendingLimit, micros, money

if TYPE_CHECKING:
    from workers.check.plans import StepCheck

LATER = "decided when the value is known"
_PATIENCE_SECONDS = 10.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class BudgetCheck:
    """A budget that the plan counts against."""

    limit: SpendingLimit
    left: int | None = None
    """Millionths; None where no database says what is spent."""
    wanted: int = 0
    """Millionths: what the plan's calls move whose amounts are known, or what its models are forecast to take."""
    later: tuple[str, ...] = ()
    """Steps whose amounts aren't known yet."""
    unknown: bool = False
    """The forecast has no cost."""

    @property
    def words(self) -> str:
        """It for people."""
        limit = self.limit
        if self.left is None:
            room = "what is left isn't known without a database"
        else:
            room = f"{shown(money(max(self.left, 0)), limit.unit)} left"
        about = "about " * (limit.of == MODELS)
        takes = "cost unknown" if self.unknown else f"the plan takes {about}{shown(money(self.wanted), limit.unit)}"
        waits = f" · {', '.join(self.later)}: {LATER}" if self.later else ""
        return f"{limit.words} · {room} · {takes}{waits}"

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        limit, left = self.limit, self.left
        return {
            "of": limit.of, "per": limit.per.value, "unit": limit.unit, "rule": limit.rule, "then": limit.then.value,
            "amount": float(money(limit.micros)), "left": None if left is None else float(money(left)),
            "wanted": None if self.unknown else float(money(self.wanted)), "later": list(self.later),
        }  # fmt: skip


async def budgets_of(agent: LoadedAgent, request: RunRequest) -> list[BudgetCheck]:
    """The budgets that a run would count against, with what is left of them where the database can be reached."""
    scope_ones = list(agent.spending)
    unknown = [BudgetCheck(limit, limit.micros if limit.per is Per.RUN else None) for limit in scope_ones]
    try:
        url = configured_url()
        if _missing(url):
            return unknown
        async with asyncio.timeout(_PATIENCE_SECONDS), await Store.open(url) as store:
            table, now = Budgets(store), datetime.now(UTC)
            whose = {"user": request.user, "session": request.session}
            limits = scope_ones + [
                limit for limit, _ in await table.listed() if limit.applies(agent=agent.name, **whose)
            ]
            accounts = [limit.account(run="", agent=agent.name, at=now, **whose) for limit in limits]
            used = await table.used(accounts) if accounts else {}
            async with store.reading() as conn:
                for limit, account in zip(limits, accounts, strict=True):
                    if account not in used:  # it begins with what models have cost so far
                        row = Line(account, limit, 0, agent.name, "", request.user, request.session)
                        used[account] = await spent_before(conn, row, now=now)
    except (PlangateError, InvalidInput, SQLAlchemyError, OSError) as error:
        _log.debug("budgets not read", error=repr(error))
        return unknown
    return [
        BudgetCheck(limit, limit.micros - (0 if _new(limit, request) else used.get(account, 0)))
        for limit, account in zip(limits, accounts, strict=True)
    ]


def spend(
    steps: Sequence[StepCheck], budgets: Sequence[BudgetCheck], forecast: Forecast
) -> tuple[list[StepCheck], list[BudgetCheck]]:
    """The steps with what budgets say of them, one after the other, and the budgets with what the plan takes.

    A fallback is judged by what is left before it, and takes nothing: it is called when its step moved nothing.
    """
    judged, found = [], [_by_models(each, forecast) for each in budgets]
    for step in steps:
        verdicts, waits = [step.verdict], list(step.waits)
        for n, each in enumerate(found):
            limit = each.limit
            if limit.tool != step.tool:
                continue
            if step.step.for_each or refers(step.args, limit.argument):
                waits.append(f"{limit.words}: {LATER}")
                if step.step.id not in each.later:
                    found[n] = dataclasses.replace(each, later=(*each.later, step.step.id))
                continue
            amount = amount_of(limit, step.args)
            left = (limit.micros if each.left is None else each.left) - each.wanted
            if amount > left:
                verdicts.append(over_budget(limit, amount, left))
            if not step.fallback:
                found[n] = dataclasses.replace(each, wanted=each.wanted + amount)
        judged.append(dataclasses.replace(step, verdict=strictest(verdicts), waits=waits))
    return judged, found


def limits_later(agent: LoadedAgent, tool: str, args: Mapping[str, Any]) -> list[str]:
    """The limits of arguments that are references, in words."""
    found = [each for each in agent.scope.actions_of(tool) if each.of is not LimitOf.CALLS]
    return [f"{each.argument} {each.text}: {LATER}" for each in found if refers(args, each.argument)]


def refers(args: Mapping[str, Any], argument: str) -> bool:
    """Whether an argument, by its dotted path, is or holds a reference."""
    return any(True for _ in expressions.references(args.get(argument.partition(".")[0])))


def _by_models(each: BudgetCheck, forecast: Forecast) -> BudgetCheck:
    if each.limit.of != MODELS:
        return each
    if each.limit.unit == TOKENS:
        return dataclasses.replace(each, wanted=micros(forecast.input_tokens + forecast.output_tokens))
    if forecast.cost_usd is None:
        return dataclasses.replace(each, unknown=True)
    return dataclasses.replace(each, wanted=micros(forecast.cost_usd))


def _missing(url: str) -> bool:
    """Whether it is a SQLite file that isn't there: opening it would make it, and a check changes nothing."""
    parsed = parse_url(url)
    return parsed.drivername.startswith("sqlite") and not Path(parsed.database or "").exists()


def _new(limit: SpendingLimit, request: RunRequest) -> bool:
    """Whether nothing can be spent of it yet: a run that hasn't begun, or a conversation of its own."""
    return limit.per is Per.RUN or (limit.per is Per.SESSION and not request.session)
