"""Answers of models used again: only where the agent allows it, only for the same question of the same person."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from activities.models import Completion, Message, ModelCall, ModelClient, OutputSchema, Purpose
from activities.models.caching import MAX_BYTES, ModelCache
from activities.planning import PlanningActivities
from activities.responding import RespondingActivities
from activities.storage.store import Store
from plangate.agents import AgentSettings, CacheSettings
from plangate.plans import Plan
from plangate.runs import Outcome
from plangate.tasks import PlanTask, RespondTask
from tests.activities.model_fixtures import MemoryStore, StubAgent, StubAgents, environment, settings_for
from tests.fake_model import FakeModel, Reply

KNOWN = "gpt-5.4-2026-03-05"
CALL = ModelCall(
    purpose=Purpose(run="r1", agent="shop", task="plan", user="ann", version="v1"),
    model=KNOWN,
    instructions="Be brief.",
    messages=(Message("user", "Hello"),),
    max_bytes=10_000,
    temperature=0.0,
    cache_seconds=60,
)
PLAN: dict[str, Any] = {
    "goal": "Find order 7",
    "steps": [{"id": "order", "tool": "find_order", "args": {"number": "7"}}],
}
TASK = PlanTask(run="r1", agent="shop", request="Where is order 7?", user="ann", today="2026-05-04")
CACHING = StubAgent(settings=AgentSettings(cache=CacheSettings(plan=60, answer=60)))


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as fake:
        yield fake


@pytest.fixture
async def client(model: FakeModel, store: Store) -> AsyncIterator[ModelClient]:
    async with ModelClient(settings_for(model), store) as made:
        made.cache_in(ModelCache(store))
        yield made


def of(call: ModelCall = CALL, *, run: str = "r2", **purpose: Any) -> ModelCall:
    """The same question in another run."""
    return replace(call, purpose=replace(call.purpose, run=run, **purpose))


async def ask(client: ModelClient, call: ModelCall = CALL) -> Completion:
    """Ask and find the answer of use, as planning and answering do."""
    completion = await client.complete(call)
    await client.remember(call, completion)
    return completion


async def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    async with store.reading() as conn:
        return [tuple(row) for row in await conn.execute(text(query))]


async def change(store: Store, statement: str) -> None:
    async with store.transaction() as conn:
        await conn.execute(text(statement))


async def test_the_same_question_is_answered_again_for_nothing(
    model: FakeModel, client: ModelClient, store: Store
) -> None:
    model.script("Hi.")
    first, again = await ask(client), await ask(client, of())
    assert (first.text, again.text, len(model.requests)) == ("Hi.", "Hi.", 1)
    assert first.usage.cost_usd > 0
    usage = again.usage
    assert (usage.cost_usd, usage.input_tokens, usage.cached_calls, usage.models) == (0, 0, 1, first.usage.models)
    query = (
        "SELECT run, cached_calls, cost_usd > 0, input_tokens > 0, forecast_tokens IS NOT NULL FROM usage ORDER BY run"
    )
    found = [tuple(int(each) if isinstance(each, bool) else each for each in row) for row in await rows(store, query)]
    assert found == [("r1", 0, 1, 1, 1), ("r2", 1, 0, 0, 0)]
    assert await rows(store, "SELECT hits, agent FROM model_cache") == [(1, "shop")]


async def test_a_stream_gets_the_known_answer_too(model: FakeModel, client: ModelClient) -> None:
    model.script("Hi.")
    await ask(client)
    heard: list[str] = []
    await client.complete(of(), heard.append)
    assert (heard, len(model.requests)) == (["Hi."], 1)


async def test_an_agent_that_does_not_allow_it_is_answered_anew(
    model: FakeModel, client: ModelClient, store: Store
) -> None:
    model.script("One.", "Two.", "Three.")
    never = replace(CALL, cache_seconds=0)
    assert [(await ask(client, never)).text, (await ask(client, of(never))).text] == ["One.", "Two."]
    assert await rows(store, "SELECT * FROM model_cache") == []
    await ask(client)  # somebody else's setting fills the cache
    model.script("Four.")
    assert (await ask(client, of(never))).text == "Four."


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, model="gpt-5.4-mini"),
        replace(CALL, instructions="Be brief!"),
        replace(CALL, messages=(Message("user", "hello"),)),
        replace(CALL, messages=(Message("assistant", "Hello"),)),
        replace(CALL, messages=(*CALL.messages, Message("user", ""))),
        replace(CALL, temperature=0.5),
        replace(CALL, temperature=None),
        replace(CALL, schema=OutputSchema("answer", {"type": "object"})),
        of(version="v2"),
        of(agent="other"),
        of(task="answer"),
        of(user="bob"),
        of(user=None, session="ann"),
    ],
    ids=[
        "model", "instructions", "message", "role", "one more message", "temperature", "no temperature", "schema",
        "version", "agent", "task", "user", "session",
    ],
)  # fmt: skip
async def test_anything_else_is_another_question(model: FakeModel, client: ModelClient, other: ModelCall) -> None:
    model.script("One.", "Two.")
    await ask(client)
    assert (await ask(client, other)).text == "Two."


async def test_another_endpoint_is_asked_itself(model: FakeModel, client: ModelClient, store: Store) -> None:
    model.script("One.")
    await ask(client)
    async with FakeModel() as second, ModelClient(settings_for(second), store) as elsewhere:
        elsewhere.cache_in(ModelCache(store))
        second.script("Two.")
        assert (await ask(elsewhere, of())).text == "Two."


async def test_without_a_person_nothing_is_kept_and_a_session_is_one(
    model: FakeModel, client: ModelClient, store: Store
) -> None:
    model.script("One.", "Two.", "Three.")
    nobody = of(user=None)
    assert [(await ask(client, nobody)).text for _ in range(2)] == ["One.", "Two."]
    assert await rows(store, "SELECT * FROM model_cache") == []
    talk = of(user=None, session="s")
    assert [(await ask(client, talk)).text for _ in range(2)] == ["Three.", "Three."]


async def test_plans_can_be_shared_and_answers_never(model: FakeModel, client: ModelClient) -> None:
    shared = replace(CALL, shared=True)
    model.script("Plan.", "Hers.", "His.")
    assert [(await ask(client, of(shared, user=who))).text for who in ("ann", "bob", None)] == ["Plan."] * 3
    answers = [of(shared, task="answer", user=who) for who in ("ann", "bob")]
    assert [(await ask(client, each)).text for each in answers] == ["Hers.", "His."]


async def test_an_answer_expires_and_is_swept(model: FakeModel, client: ModelClient, store: Store) -> None:
    model.script("One.", "Two.")
    await ask(client)
    await change(store, "UPDATE model_cache SET expires_at = '2026-01-01 00:00:00.000000'")
    assert (await ask(client, of())).text == "Two."
    assert (await ask(client, of(run="r3"))).text == "Two."  # the new one took its place
    await change(store, "UPDATE model_cache SET expires_at = '2026-01-01 00:00:00.000000'")
    await ModelCache(store).sweep()
    assert await rows(store, "SELECT * FROM model_cache") == []


async def test_no_more_are_kept_than_allowed_and_none_that_is_too_long(store: Store, model: FakeModel) -> None:
    cache = ModelCache(store, max_entries=3)
    async with ModelClient(settings_for(model), store) as client:
        client.cache_in(cache)
        model.script(*(f"Answer {n}." for n in range(6)), Reply("x" * (MAX_BYTES + 1)))
        for n in range(6):
            await ask(client, replace(CALL, instructions=f"Number {n}", cache_seconds=60 + n))
        await cache.sweep()
        kept = await rows(store, "SELECT answer FROM model_cache ORDER BY expires_at")
        assert kept == [("Answer 3.",), ("Answer 4.",), ("Answer 5.",)]
        await ask(client, replace(CALL, max_bytes=2 * MAX_BYTES))
    assert await rows(store, f"SELECT * FROM model_cache WHERE length(answer) > {MAX_BYTES}") == []


@pytest.mark.parametrize(
    "broken", ["UPDATE model_cache SET answer = ''", "UPDATE model_cache SET answer = answer || :long"]
)
async def test_a_row_that_cannot_be_an_answer_is_none(
    model: FakeModel, client: ModelClient, store: Store, broken: str
) -> None:
    model.script("One.", "Two.")
    await ask(client)
    await change(store, broken.replace(":long", f"'{'x' * CALL.max_bytes}'"))
    assert [(await ask(client, of(run=run))).text for run in ("r2", "r3")] == ["Two.", "Two."]


async def test_a_table_that_cannot_be_read_or_written_costs_nothing_but_the_call(
    model: FakeModel, client: ModelClient, store: Store
) -> None:
    model.script("One.", "Two.")
    await ask(client)
    await change(store, "ALTER TABLE model_cache RENAME TO elsewhere")
    assert (await ask(client, of())).text == "Two."
    assert await rows(store, "SELECT run FROM usage ORDER BY run") == [("r1",), ("r2",)]


async def test_two_at_once_both_get_an_answer_and_one_is_kept(
    model: FakeModel, client: ModelClient, store: Store, database_url: str
) -> None:
    model.script(*["Hi."] * 8)
    async with await Store.open(database_url) as other, ModelClient(settings_for(model), other) as second:
        second.cache_in(ModelCache(other))
        asked = [ask((client, second)[n % 2], of(run=f"r{n}")) for n in range(8)]
        assert {each.text for each in await asyncio.gather(*asked)} == {"Hi."}
        model.script("Not asked.")
        assert {(await ask(each, of(run="later"))).text for each in (client, second)} == {"Hi."}
    assert len(await rows(store, "SELECT * FROM model_cache")) == 1


async def plan(client: ModelClient, run: str, agent: StubAgent = CACHING, **changes: Any) -> Any:
    activities = PlanningActivities(StubAgents(agent), client, MemoryStore())
    return await environment().run(activities.make_plan, TASK.model_copy(update={"run": run, **changes}))


async def test_a_plan_is_used_again_but_not_by_another_version(model: FakeModel, client: ModelClient) -> None:
    model.script(PLAN, PLAN, PLAN, PLAN)
    outcomes = [await plan(client, "r1"), await plan(client, "r2")]
    assert [each.plan for each in outcomes] == [Plan.model_validate(PLAN)] * 2
    assert [each.usage.cached_calls for each in outcomes] == [0, 1]
    assert (await plan(client, "r3", dataclasses.replace(CACHING, version="v2"))).usage.cached_calls == 0
    assert (await plan(client, "r4", StubAgent())).usage.cached_calls == 0, "an agent that doesn't allow it"
    assert (await plan(client, "r5", today="2026-05-05")).usage.cached_calls == 0, "another day"
    assert len(model.requests) == 4


@pytest.mark.parametrize("kept", ["{", "Sorry, I can't.", json.dumps({"action": "plan", "plan": {"steps": 7}})])
async def test_a_kept_plan_that_is_of_no_use_is_forgotten_and_asked_for_anew(
    model: FakeModel, client: ModelClient, store: Store, kept: str
) -> None:
    model.script(PLAN, PLAN)
    await plan(client, "r1")
    async with store.transaction() as conn:
        await conn.execute(text("UPDATE model_cache SET answer = :kept"), {"kept": kept})
    outcome = await plan(client, "r2")
    assert outcome.plan == Plan.model_validate(PLAN)
    assert model.requests[0].input == model.requests[1].input, "the model isn't told of mistakes that aren't its own"
    assert outcome.usage.cost_usd > 0
    assert (await plan(client, "r3")).usage.cached_calls == 1, "the good one is kept"


async def test_an_answer_used_again_is_judged_again(model: FakeModel, client: ModelClient) -> None:
    """What the owner forbids since then, or for this run's results, is taken out of it too."""
    task = RespondTask(run="r1", agent="shop", request="Where?", user="ann", today="2026-05-04", goal="Say where",
                       outcome=Outcome.COMPLETED)  # fmt: skip
    activities = RespondingActivities(StubAgents(CACHING), client, MemoryStore())
    model.script("It is on its way. Pay with card 4111 1111 1111 1111.")
    answers = [await environment().run(activities.respond, task.model_copy(update={"run": run})) for run in "ab"]
    assert [each.usage.cached_calls for each in answers] == [0, 1]
    assert len(model.requests) == 1
    assert answers[1].text == answers[0].text
    assert all("4111" not in each.text for each in answers)
    assert all("output.personal" in {verdict.guard for verdict in each.verdicts} for each in answers)
