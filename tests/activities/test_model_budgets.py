"""Budgets of models: reserved by what a call can cost at most, settled with what it did cost, friendly when used up."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from activities.catalogue import Catalogue
from activities.models import Message, ModelCall, ModelClient, ModelPrice, Purpose
from activities.models.budgeting import BudgetUsedUp, ModelBudgets, prompt_bytes
from activities.planning import PlanningActivities
from activities.responding import RespondingActivities
from activities.spending import Spending
from activities.storage.store import Store
from plangate.errors import ErrorType
from plangate.runs import Outcome
from plangate.spending import SpendingLimit, parse_spending
from plangate.tasks import PlanTask, RespondTask
from tests.activities.model_fixtures import environment, failure_of, settings_for
from tests.activities.tool_agent import Far, agent_of
from tests.fake_model import FakeModel, Reply, hang, rate_limited, server_error

CALL = ModelCall(
    purpose=Purpose(run="r", agent="shop", task="plan", user="u"),
    model="m",
    instructions="Be brief.",
    messages=(Message("user", "Hello"),),
    max_bytes=10_000,
)
PRICES = {"m": ModelPrice(input=1, output=10), "gpt-5.4-2026-03-05": ModelPrice(input=1, output=10)}
BYTES = prompt_bytes(CALL) + 200
Clock = Callable[[], datetime]


def models_limit(amount: str, counted: str = "per day", then: str = "declines") -> SpendingLimit:
    return parse_spending("models", counted, amount, then)


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as fake:
        yield fake


@pytest.fixture
async def other(store: Store, database_url: str) -> AsyncIterator[Store]:
    async with await Store.open(database_url) as opened:
        yield opened


@dataclasses.dataclass
class Asker:
    """A worker's access to models, with budgets."""

    client: ModelClient
    store: Store
    catalogue: Catalogue

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        async with self.store.reading() as conn:
            return [tuple(row) for row in await conn.execute(text(query))]

    async def spent(self) -> float:
        rows = await self.rows("SELECT micros FROM accounts")
        return sum(int(str(micros)) for (micros,) in rows) / 1_000_000


def asker(
    model: FakeModel, store: Store, folder: Path, *limits: SpendingLimit, clock: Clock | None = None, **changes: object
) -> Asker:
    agent = agent_of(folder, Far())
    agent = dataclasses.replace(agent, scope=agent.scope.model_copy(update={"spending": list(limits)}))
    catalogue = Catalogue(agents={"shop": agent})
    client = ModelClient(settings_for(model, **{"prices": PRICES, "output_tokens": 2000, **changes}), store)
    spending = Spending(store, fresh_seconds=0) if clock is None else Spending(store, fresh_seconds=0, clock=clock)
    client.hold_to(ModelBudgets(store, spending, catalogue))
    return Asker(client, store, catalogue)


def numbered(n: int, **changes: object) -> ModelCall:
    return replace(CALL, purpose=replace(CALL.purpose, run=f"r{n}", **changes))


async def test_a_call_is_settled_with_what_it_cost(model: FakeModel, store: Store, tmp_path: Path) -> None:
    at = asker(model, store, tmp_path, models_limit("$1"), models_limit("1,000,000 tokens"))
    model.script(Reply("Hi.", usage=(100, 0, 20)))
    await at.client.complete(CALL)
    rows = await at.rows("SELECT unit, micros FROM accounts ORDER BY unit")
    assert rows == [("USD", 300), ("tokens", 120_000_000)]
    assert await at.rows("SELECT count(*) FROM reservations") == [(0,)]
    assert await at.rows("SELECT input_tokens FROM usage WHERE forecast_tokens > 0 AND forecast_usd > 0") == [(100,)]


def longest(request: dict[str, Any]) -> Reply:
    """A model that says as much as it is allowed to."""
    return Reply("Hi.", usage=(BYTES, 0, request["max_output_tokens"]))


async def test_a_hundred_calls_at_once_never_overspend(
    model: FakeModel, store: Store, other: Store, tmp_path: Path
) -> None:
    limit = models_limit("100,000 tokens")
    askers = [asker(model, where, tmp_path / str(n), limit) for n, where in enumerate((store, other))]
    model.script(*[longest] * 100)

    async def one(n: int) -> bool:
        try:
            await askers[n % 2].client.complete(numbered(n))
        except BudgetUsedUp:
            return False
        return True

    done = await asyncio.gather(*(one(n) for n in range(100)))
    ((tokens,),) = await askers[0].rows("SELECT sum(input_tokens + output_tokens) FROM usage")
    assert int(str(tokens)) <= 100_000
    assert await askers[0].spent() == tokens
    assert sum(done) == len(model.requests) >= 40
    for each in askers:
        await each.client.aclose()


async def test_near_the_end_of_the_budget_answers_may_be_shorter(
    model: FakeModel, store: Store, tmp_path: Path
) -> None:
    at = asker(model, store, tmp_path, models_limit(f"{BYTES + 1500} tokens", "per run"))
    model.script("Hi.")
    await at.client.complete(CALL)
    sent = model.requests[0].json["max_output_tokens"]
    assert 1000 <= sent <= 1500
    small = asker(model, store, tmp_path / "b", models_limit(f"{BYTES + 999} tokens", "per session"))
    with pytest.raises(BudgetUsedUp) as caught:
        await small.client.complete(numbered(2))
    assert caught.value.limit.rule == "scope.spending.models.session"
    assert len(model.requests) == 1


async def test_what_surely_cost_nothing_is_given_back_and_what_nobody_knows_is_kept(
    model: FakeModel, store: Store, tmp_path: Path
) -> None:
    at = asker(model, store, tmp_path, models_limit("$1"), timeout_seconds=0.2)
    for reply in (rate_limited(), server_error()):
        model.script(reply)
        await failure_of(at.client.complete(CALL))
        assert await at.spent() == 0
    model.script(hang())
    _, payload = await failure_of(at.client.complete(CALL))
    assert payload.type is ErrorType.TIMEOUT
    most = await at.spent()
    assert most > 0.02
    retry = replace(CALL, purpose=replace(CALL.purpose, attempt=2))
    model.script(rate_limited(), Reply("Hi.", usage=(100, 0, 20)))
    await failure_of(at.client.complete(retry))
    assert await at.spent() == most  # the first attempt may be billed
    await at.client.complete(replace(CALL, purpose=replace(CALL.purpose, attempt=3)))
    assert await at.spent() == most  # reserved once for all attempts
    model.release()


async def test_a_call_that_is_tried_again_after_midnight_counts_in_each_day_what_it_may_have_cost_there(
    model: FakeModel, store: Store, tmp_path: Path
) -> None:
    today = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC)]
    limits = models_limit("$1"), models_limit("$1", "per run")
    at = asker(model, store, tmp_path, *limits, clock=lambda: today[0], timeout_seconds=0.2)
    model.script(hang())
    await failure_of(at.client.complete(CALL))
    (most,) = {micros for (micros,) in await at.rows("SELECT micros FROM accounts")}
    today[0] += timedelta(minutes=2)
    days = "SELECT account, micros FROM accounts WHERE account LIKE '%|day|%' ORDER BY account"
    model.script(rate_limited(), Reply("Hi.", usage=(100, 0, 20)))
    await failure_of(at.client.complete(replace(CALL, purpose=replace(CALL.purpose, attempt=2))))
    assert [micros for _, micros in await at.rows(days)] == [most, 0], "the second day was given back what it lent"
    await at.client.complete(replace(CALL, purpose=replace(CALL.purpose, attempt=3)))
    assert [micros for _, micros in await at.rows(days)] == [most, 300]
    assert await at.rows("SELECT micros FROM accounts WHERE account LIKE '%|run|%'") == [(most,)]
    assert await at.rows("SELECT count(*) FROM reservations") == [(0,)]
    model.release()


async def test_a_model_without_a_price_cannot_keep_a_budget_of_money(
    model: FakeModel, store: Store, tmp_path: Path
) -> None:
    at = asker(model, store, tmp_path, models_limit("$1"))
    _, payload = await failure_of(at.client.complete(replace(CALL, model="nobody-knows-1")))
    assert (payload.type, model.requests) == (ErrorType.LIMIT_REACHED, [])
    assert "set PLANGATE_MODEL_PRICES, or count the budget in tokens" in payload.message


async def test_without_the_database_no_model_is_asked(
    model: FakeModel, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = asker(model, store, tmp_path, models_limit("$1"))

    async def broken(*_: object) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(store, "together", broken)
    error, payload = await failure_of(at.client.complete(CALL))
    assert (payload.type, error.non_retryable, model.requests) == (ErrorType.UNAVAILABLE, False, [])


@pytest.mark.parametrize(
    ("then", "action", "words"),
    [("declines", "decline", "ask again tomorrow"), ("hands over", "hand_over", "A person")],
)
async def test_a_budget_that_is_used_up_declines_or_hands_over_and_costs_nothing(
    model: FakeModel, store: Store, tmp_path: Path, then: str, action: str, words: str
) -> None:
    at = asker(model, store, tmp_path, models_limit("10 tokens", then=then))
    planning = PlanningActivities(at.catalogue, at.client, store)
    task = PlanTask(run="r", agent="shop", request="Where is my order?", user="u")
    outcome = await environment().run(planning.make_plan, task)
    assert (outcome.action, outcome.plan, outcome.usage.calls) == (action, None, 0)
    assert words in outcome.message
    assert outcome.verdict is not None
    assert outcome.verdict.rule == "scope.spending.models.day"
    revised = await environment().run(planning.make_plan, task.model_copy(update={"revision": 1, "why": "x"}))
    assert revised.action == "hand_over"  # something was done already
    responding = RespondingActivities(at.catalogue, at.client, store)
    answer = RespondTask(run="r", agent="shop", request="x", user="u", outcome=Outcome.COMPLETED)
    _, payload = await failure_of(environment().run(responding.respond, answer))
    assert payload.type is ErrorType.LIMIT_REACHED
    assert model.requests == []
