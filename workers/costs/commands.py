"""The commands about cost and budgets.

Exit codes are those of the client: 0 done, 2 wrong usage, 3 no database, 4 no such budget, 70 a defect of Plangate.
With `--json` errors are JSON too.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from activities.catalogue import Catalogue, agents_folder
from activities.storage.budgets import Budgets, Line, spent_before
from activities.storage.costs import BY, alert_rows, cost_rows
from activities.storage.engine import configured_url
from activities.storage.store import Store
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.spending import MODELS, Beyond, Per, SpendingLimit, parse_amount
from workers.connection import data_folder
from workers.costs import pages
from workers.costs.known import require_known
from workers.costs.pages import BudgetLine
from workers.telling import EXIT_USAGE, person, run_command, tell, write

EXIT_REFUSED, EXIT_NO_DATABASE, EXIT_NOT_FOUND = 1, 3, 4

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
budget = typer.Typer(pretty_exceptions_enable=False, help="Budgets: set, show.")
app.add_typer(budget, name="budget")

Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Data folder (else PLANGATE_DATA, .plangate).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Agent = Annotated[str, typer.Option("--agent", metavar="AGENT", help="Only this agent (else all together).")]
_SINCE = re.compile(r"(\d+)\s*([hdw])")


@app.command()
def cost(
    by: Annotated[str, typer.Option("--by", metavar="WHAT", help=f"Summed up by {', '.join(BY)}.")] = "day",
    since: Annotated[str, typer.Option("--since", metavar="WHEN", help="24h, 7d, 2w, or 2026-03-31.")] = "",
    agent: Agent = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show what models cost: a table and a plot, budgets and what is left, forecast against actual."""
    if by not in BY:
        raise InvalidInput(f"--by is one of {', '.join(BY)}, not {by!r}")
    start = moment(since) if since else None

    async def work() -> None:
        async with await Store.open(configured_url(data_folder(data))) as store:
            rows = await cost_rows(store, by=by, since=start, agent=agent)
            lines = await _budget_lines(store, agent)
            alerts = await alert_rows(store, since=start, agent=agent)
        if as_json:
            write(
                {
                    "by": by,
                    "rows": [row.model_dump(mode="json") for row in rows],
                    "budgets": [line.data() for line in lines],
                    "alerts": [alert.model_dump(mode="json") for alert in alerts],
                }
            )
            return
        pages.show_costs(rows, by)
        if lines:
            print()
            pages.show_budgets(lines)
        pages.show_alerts(alerts)

    asyncio.run(work())


@budget.command("set", context_settings={"ignore_unknown_options": True})
def set_(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="'20 USD', '200000 tokens', '500 GBP'; or 'none'.")],
    per: Annotated[str, typer.Option("--per", metavar="PER", help="run, session, user-day, user-month, day, month.")],
    of: Annotated[
        str, typer.Option("--of", metavar="WHAT", help="models, or TOOL.ARGUMENT that names money.")
    ] = MODELS,
    agent: Agent = "",
    user: Annotated[str, typer.Option("--user", metavar="USER", help="Only this user.")] = "",
    session: Annotated[str, typer.Option("--session", metavar="ID", help="Only this session.")] = "",
    then: Annotated[
        str, typer.Option("--then", metavar="THEN", help="models: decline, hand-over; money: ask, never.")
    ] = "",
    unit: Annotated[str, typer.Option("--unit", metavar="UNIT", help="With 'none': the budget's unit.")] = "USD",
    by: Annotated[str, typer.Option("--as", metavar="NAME", help="Who does it (else PLANGATE_USER, your login).")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Set a budget beside those of the scope files; workers hear of it within two seconds."""
    who = person(by)
    if not who:
        raise InvalidInput("a budget is set by somebody: give a name with --as")
    limit = _limit(amount, per=per, of=of, then=then, unit=unit).model_copy(
        update={"agent": agent, "user": user, "session": session, "set_by": who}
    )

    async def work() -> None:
        async with await Store.open(configured_url(data_folder(data))) as store:
            table = Budgets(store)
            if amount.strip().casefold() == "none":
                if not await table.remove(limit):
                    raise PlangateError("there is no such budget", type=ErrorType.INVALID_INPUT)
                tell(as_json, {"removed": True, "of": of, "per": limit.per.value}, "Removed.")
                return
            await require_known(store, limit)
            now = datetime.now(UTC)
            before = await table.put(limit, at=now)
        line = BudgetLine(limit=limit, source=who, set_at=now)
        was = f" (before: {before.words}, set by {before.set_by})" if before else ""
        whose = f" of {limit.agent}" if limit.agent else ""
        tell(as_json, line.data(), f"Set: {limit.words}{whose}{was}.")

    asyncio.run(work())


@budget.command("show")
def show(agent: Agent = "", data: Data = None, as_json: AsJson = False) -> None:
    """Show all budgets, of scope files and set ones, and what is left of them."""

    async def work() -> None:
        async with await Store.open(configured_url(data_folder(data))) as store:
            lines = await _budget_lines(store, agent)
        if as_json:
            write({"budgets": [line.data() for line in lines]})
        else:
            pages.show_budgets(lines)

    asyncio.run(work())


def _limit(amount: str, *, per: str, of: str, then: str, unit: str) -> SpendingLimit:
    counted = {each.value.replace(" and ", "-"): each for each in Per}
    if per not in counted:
        raise InvalidInput(f"--per is one of {', '.join(counted)}, not {per!r}")
    models = of == MODELS
    if not models and not re.fullmatch(r"\w+(\.\w+)+", of):
        raise InvalidInput(f"--of is 'models' or TOOL.ARGUMENT, for example refund_payment.amount, not {of!r}")
    beyond = {"decline": Beyond.DECLINE, "hand-over": Beyond.HAND_OVER} if models else {
        "ask": Beyond.ASK, "never": Beyond.NEVER,
    }  # fmt: skip
    chosen = then or ("decline" if models else "ask")
    if chosen not in beyond:
        raise InvalidInput(f"--then is {' or '.join(beyond)} for {of}, not {then!r}")
    try:
        micros, found = (0, unit) if amount.strip().casefold() == "none" else parse_amount(amount, models=models)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    return SpendingLimit(of=of, per=counted[per], unit=found, micros=micros, then=beyond[chosen])


async def _budget_lines(store: Store, agent: str) -> list[BudgetLine]:
    """All budgets, with what is used of those that one account stands for now."""
    table = Budgets(store)
    lines = [
        BudgetLine(limit=limit, source=limit.set_by, set_at=at)
        for limit, at in await table.listed()
        if not agent or limit.agent in ("", agent)
    ]
    try:
        agents = Catalogue.load([agents_folder(os.environ.get("PLANGATE_AGENTS"))]).agents
    except InvalidInput:
        agents = {}
    for name, loaded in agents.items():
        if not agent or name == agent:
            lines += [BudgetLine(limit=limit, source=f"scope.md of {name}") for limit in loaded.spending]
    now = datetime.now(UTC)
    accounts = {position: account for position, line in enumerate(lines) if (account := _account(line.limit, now))}
    used = await table.used(list(accounts.values())) if accounts else {}
    async with store.reading() as conn:
        for position, account in accounts.items():
            if account not in used:  # nothing has asked for it yet: it begins with what models have cost so far
                used[account] = await spent_before(conn, _line(lines[position].limit, account), now=now)
    return [
        line.model_copy(update={"used_micros": used[accounts[n]]}) if n in accounts else line
        for n, line in enumerate(lines)
    ]


def _line(limit: SpendingLimit, account: str) -> Line:
    return Line(account, limit, 0, limit.agent, "", limit.user or None, limit.session or None)


def _account(limit: SpendingLimit, now: datetime) -> str | None:
    """The account of a budget, if it has only one at this time."""
    one = limit.per in (Per.DAY, Per.MONTH)
    one = one or (limit.per in (Per.USER_DAY, Per.USER_MONTH) and bool(limit.user))
    one = one or (limit.per is Per.SESSION and bool(limit.session))
    if not one:
        return None
    return limit.account(run="", agent=limit.agent, user=limit.user, session=limit.session, at=now)


def moment(text: str) -> datetime:
    """A moment as people write it: `24h` and the like ago, or a date.

    Raises:
        InvalidInput: It is neither.
    """
    if match := _SINCE.fullmatch(text.strip().lower()):
        hours = int(match[1]) * {"h": 1, "d": 24, "w": 24 * 7}[match[2]]
        return datetime.now(UTC) - timedelta(hours=min(hours, 24 * 36500))
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f"--since is for example 24h, 7d, 2w or 2026-03-31, not {text!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    return run_command(app, arguments, name="plangate", judge=_judged)


def _judged(error: Exception) -> tuple[PlangateError, int] | None:
    if isinstance(error, InvalidInput):
        return error, EXIT_USAGE
    if isinstance(error, PlangateError):
        codes = {ErrorType.UNAVAILABLE: EXIT_NO_DATABASE, ErrorType.INVALID_INPUT: EXIT_NOT_FOUND}
        return error, codes.get(error.type, EXIT_REFUSED)
    return None
