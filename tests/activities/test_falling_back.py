"""Fallback models: which fault asks the next one, and what the run hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from activities.models import ModelClient, Role
from activities.planning import PlanningActivities
from activities.responding import RespondingActivities
from plangate.agents import AgentSettings, ModelSettings
from plangate.runs import Outcome
from plangate.tasks import PlanOutcome, PlanTask, RespondTask
from tests import fake_model
from tests.activities.model_fixtures import MemoryStore, StubAgent, StubAgents, environment, settings_for
from tests.fake_model import FakeModel

DECLINED = {"action": "decline", "message": "Only orders of the shop."}
TASK = PlanTask(run="run-1", agent="shop", request="Refund order 7", today="2026-05-04")


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as fake:
        yield fake


def agents(*names: str) -> StubAgents:
    return StubAgents(
        replace(StubAgent(), settings=AgentSettings(models=ModelSettings(plan=[*names], answer=[*names])))
    )


async def plan(model: FakeModel, *names: str, store: MemoryStore | None = None, attempt: int = 1) -> PlanOutcome:
    async with ModelClient(settings_for(model), store or MemoryStore()) as client:
        planning = PlanningActivities(agents(*names), client, MemoryStore())
        env = environment(attempt=attempt)
        env.info = replace(env.info, retry_policy=RetryPolicy(maximum_attempts=6))
        outcome: PlanOutcome = await env.run(planning.make_plan, TASK)
    return outcome


def asked(model: FakeModel) -> list[Any]:
    return [request.json["model"] for request in model.requests]


FINAL = {
    "quota": (fake_model.quota_exhausted(), 1),
    "unknown model": (fake_model.failure(404, "no such model"), 1),
    "key": (fake_model.failure(401, "no"), 1),
    "rate limit, last attempt": (fake_model.rate_limited(), 4),
    "server error, last attempt": (fake_model.server_error(), 4),
}


@pytest.mark.parametrize(("reply", "attempt"), FINAL.values(), ids=FINAL.keys())
async def test_a_final_fault_asks_the_next_model_and_says_so(model: FakeModel, reply: Any, attempt: int) -> None:
    model.script(reply, DECLINED)
    store = MemoryStore()
    outcome = await plan(model, "first", "second", store=store, attempt=attempt)
    assert outcome.action == "decline"
    assert asked(model) == ["first", "second"]
    (told,) = outcome.fell_back
    assert told.startswith("the model first was not to be had (")
    assert told.endswith("second was asked")
    assert [row.model for row in store.usage] == ["second"]


async def test_a_passing_fault_is_temporals_to_retry(model: FakeModel) -> None:
    model.script(fake_model.server_error())
    with pytest.raises(ApplicationError) as caught:
        await plan(model, "first", "second")
    assert not caught.value.non_retryable
    assert asked(model) == ["first"]


async def test_the_last_models_fault_is_the_runs(model: FakeModel) -> None:
    model.script(fake_model.quota_exhausted(), fake_model.failure(404, "no such model"))
    with pytest.raises(ApplicationError) as caught:
        await plan(model, "first", "second")
    assert "'second'" in caught.value.message
    assert asked(model) == ["first", "second"]


async def test_repairs_stay_with_the_model_that_answered(model: FakeModel) -> None:
    model.script(fake_model.quota_exhausted(), "no JSON", DECLINED)
    outcome = await plan(model, "first", "second")
    assert (outcome.repairs, asked(model)) == (1, ["first", "second", "second"])


async def test_answers_fall_back_too(model: FakeModel) -> None:
    model.script(fake_model.quota_exhausted(), "All is well.")
    task = RespondTask(run="run-1", agent="shop", request="How is it?", today="2026-05-04", outcome=Outcome.COMPLETED)
    async with ModelClient(settings_for(model), MemoryStore()) as client:
        responding = RespondingActivities(agents("first", "second"), client, MemoryStore())
        answer = await environment().run(responding.respond, task)
    assert answer.text == "All is well."
    assert len(answer.fell_back) == 1


def test_the_environment_names_models_by_commas_and_wins(model: FakeModel) -> None:
    own = ModelSettings(plan=["a", "b"])
    assert settings_for(model).models_for(Role.PLAN, own) == ["a", "b"]
    assert settings_for(model, plan_model="c, d").models_for(Role.PLAN, own) == ["c", "d"]
    assert settings_for(model).model_for(Role.ANSWER, own).startswith("gpt-")


@pytest.mark.parametrize("names", [[], ["a", " "]])
def test_a_list_without_names_is_a_mistake(names: list[str]) -> None:
    with pytest.raises(ValidationError, match="at least one"):
        ModelSettings(plan=names)
