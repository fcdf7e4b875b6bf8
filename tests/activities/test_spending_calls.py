"""Tool calls and their budgets: reserved with the claim, given back when nothing was spent, kept when nobody knows."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.testing import ActivityEnvironment

from activities.binding import BindingActivities
from activities.catalogue import Catalogue
from activities.spending import Spending, amount_of
from activities.storage.budgets import Budgets
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.errors import ErrorType
from plangate.policy import Action
from plangate.spending import SpendingLimit, parse_spending
from plangate.tasks import BindTask, Bound
from tests.activities.tool_agent import Bench, Far, agent_of
from tests.plangate.plan_makers import NOW

RUN, USER, DAY = (
    parse_spending("pay amount", counted, amount, then)
    for counted, amount, then in (
        ("per run", "£30", "asks the owner"),
        ("per user and day", "£40", "asks the owner"),
        ("per day", "£50", "never"),
    )
)


def bench_with(store: Store, folder: Path, *limits: SpendingLimit, spending: Spending | None = None) -> Bench:
    far = Far()
    agent = agent_of(folder, far)
    agent = dataclasses.replace(agent, scope=agent.scope.model_copy(update={"spending": list(limits)}))
    spending = spending or Spending(store, fresh_seconds=0)
    return Bench(
        agent, store, far, ToolActivities(Catalogue(agents={"shop": agent}), store, environ={}, spending=spending)
    )


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Bench:
    return bench_with(store, tmp_path, RUN, USER, DAY)


async def pay(bench: Bench, amount: float, n: int = 0, **fields: object) -> str:
    """`done`, or what a budget says."""
    how = str(fields.pop("how", "fine"))
    call = bench.call("pay", {"amount": amount, "how": how}, key=f"k{n}", call=f"s{n}", **{"user": "u", **fields})
    result = await bench.make(call)
    if result.over is not None:
        assert result.result is None
        return result.over.action.value
    return "failed" if result.error is not None else "done"


async def spent(bench: Bench) -> dict[str, float]:
    """Pounds by what is counted together."""
    rows = await bench.rows("SELECT account, micros FROM accounts")
    return {account.split("|")[3]: micros / 1_000_000 for account, micros in rows}


async def test_each_budget_holds_and_names_itself(bench: Bench) -> None:
    assert await pay(bench, 20, 1) == "done"
    result = await bench.make(bench.call("pay", {"amount": 20}, key="k2", user="u"))
    assert result.over is not None
    assert (result.over.action, result.over.rule) == (Action.ASK, "scope.spending.pay.amount.run")
    wanted = "£20.00 is more than is left of £30.00 per run for pay amount (£10.00); the owner is asked"
    assert result.over.reason == wanted
    assert await pay(bench, 20, 3, run="r2") == "done"
    assert await pay(bench, 1, 4, run="r3") == "ask"  # the user's day
    assert await pay(bench, 10, 5, run="r4", user="v") == "done"
    assert await pay(bench, 1, 6, run="r5", user="w") == "block"  # the agent's day
    assert len(bench.far.effects) == 3
    assert await bench.rows("SELECT count(*) FROM ledger") == [(3,)]  # what was refused left nothing behind


async def test_many_small_amounts_reach_the_limit_together(bench: Bench) -> None:
    said = await asyncio.gather(*(pay(bench, 0.5, n, run=f"r{n}") for n in range(90)))
    assert sorted(said) == ["ask"] * 10 + ["done"] * 80
    assert len(bench.far.effects) == 80
    assert (await spent(bench))["user and day"] == 40


async def test_a_person_who_was_told_of_the_budget_may_exceed_it(bench: Bench) -> None:
    call = bench.call("pay", {"amount": 24}, user="u")
    assert (await bench.make(call)).over is None
    more = bench.call("pay", {"amount": 24}, key="k2", call="t", user="u")
    unaware = bench.granted(more, rule="scope.tools.pay")
    assert (await bench.make(unaware)).over is not None
    aware = bench.granted(
        more, rule="scope.tools.pay scope.spending.pay.amount.run scope.spending.pay.amount.user-and-day"
    )
    assert (await bench.make(aware)).over is None
    never = bench.granted(
        bench.call("pay", {"amount": 24}, key="k3", call="u"),
        rule="scope.spending.pay.amount.day scope.spending.pay.amount.run",
    )
    assert (await bench.make(never)).over is not None  # `never` means never
    assert len(bench.far.effects) == 2


async def test_a_sure_failure_gives_back_and_a_retry_reserves_once(bench: Bench) -> None:
    assert await pay(bench, 20, 1, how="business") == "failed"
    assert await spent(bench) == {"run": 0, "user and day": 0, "day": 0}
    call = bench.call("pay", {"amount": 20, "how": "refused"}, key="k2", user="u")
    for attempt in (1, 2):
        await bench.fails(call, attempt=attempt)
        assert (await spent(bench))["run"] == 0  # it never left


async def test_what_nobody_knows_stays_reserved(bench: Bench) -> None:
    await bench.fails(bench.call("pay", {"amount": 20, "how": "transient"}, user="u"), attempt=1)
    assert await spent(bench) == {"run": 20, "user and day": 20, "day": 20}
    await bench.fails(bench.call("pay", {"amount": 20, "how": "transient"}, user="u"), attempt=1)  # its worker died
    await bench.fails(bench.call("pay", {"amount": 20, "how": "transient"}, user="u"), attempt=2)
    assert (await bench.ledger(), (await spent(bench))["day"]) == ([("k", "unknown")], 20)


async def test_money_goes_by_what_the_argument_says(store: Store, tmp_path: Path) -> None:
    odd = DAY.model_copy(update={"of": "pay.note"})
    bench = bench_with(store, tmp_path, odd)
    for note, said in (("12", "done"), ("much", "block"), ("-100", "done"), ("38", "done"), ("0.01", "block")):
        call = bench.call("pay", {"amount": 1, "note": note}, key=note, call=f"n{note}")
        result = await bench.make(call)
        assert ("done" if result.over is None else result.over.action.value) == said, note


async def test_a_budget_that_somebody_set_holds_too(bench: Bench) -> None:
    mine = RUN.model_copy(update={"agent": "shop", "user": "u", "set_by": "kim", "micros": 10_000_000})
    await Budgets(bench.store).put(mine, at=NOW)
    assert await pay(bench, 11, 1) == "ask"
    assert await pay(bench, 11, 2, user="v", run="r2") == "done"
    assert await Budgets(bench.store).remove(mine)
    assert await pay(bench, 11, 3) == "done"


async def test_without_the_database_nothing_is_spent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Budgets) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(Budgets, "listed", broken)
    error, payload = await bench.fails(bench.call("pay", {"amount": 1}))
    assert (payload.type, error.non_retryable) == (ErrorType.UNAVAILABLE, False)
    assert bench.far.effects == []


async def test_without_budgets_nothing_is_asked_or_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_with(store, tmp_path, spending=Spending(store, fresh_seconds=60))
    assert await pay(bench, 1, 1) == "done"
    monkeypatch.setattr(Budgets, "listed", None)  # it would fail if it were asked again
    monkeypatch.setattr("activities.storage.budgets.reserve", None)
    assert await pay(bench, 1, 2) == "done"
    assert await spent(bench) == {}


async def test_before_the_gate_the_budgets_are_looked_at_and_all_that_are_exceeded_are_named(bench: Bench) -> None:
    binding = BindingActivities(Catalogue(agents={"shop": bench.agent}), bench.store, Spending(bench.store))
    task = BindTask(
        run="r", agent="shop", user="u", step="s", call="s", tool="pay", args={"amount": 20}, key="new",
        opened_at=datetime.now(UTC), deadline=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip

    async def bind(**fields: object) -> Bound:
        bound: Bound = await ActivityEnvironment().run(binding.bind_call, task.model_copy(update=fields))
        return bound

    assert (await bind()).verdict.action is Action.ALLOW
    assert await pay(bench, 24, 1) == "done"
    both = (await bind()).verdict
    assert (both.action, both.rule) == (
        Action.ASK, "scope.spending.pay.amount.run scope.spending.pay.amount.user-and-day",
    )  # fmt: skip
    assert (await bind(key="k1", args={"amount": 24})).verdict.action is Action.ALLOW  # it holds that already
    assert (await bind(args={"amount": 30})).verdict.action is Action.BLOCK
    assert (await spent(bench))["run"] == 24


def test_an_amount_of_a_million_digits_is_more_than_any_budget_and_takes_no_time() -> None:
    """Worked out in millionths, `1E+999993` held the worker up for 45 s."""
    began = time.process_time()
    for amount in ("1E+999993", "1E+999999", "1E+99999999", 10**400, "9" * 4000, 1e308):
        assert amount_of(RUN, {"amount": amount}) >= 10**16
    assert amount_of(RUN, {"amount": "1E-999999"}) == 1
    assert time.process_time() - began < 1.0
