"""An agent, a store and a way to run an activity, for the tests of planning, answering and model access."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.models import ModelAccessSettings
from activities.storage.store import UsageRow
from plangate.agents import AgentSettings, Limits, Scope, ScopeTool
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.policy import parse_rule
from plangate.result_forms import Form, form_of_type
from plangate.tool_policy import ToolPolicy
from plangate.toolkit import TOOL_ATTRIBUTE, Tool, tool
from tests.fake_model import FakeModel

KEY = "sk-test-0123456789"


@tool(effect="read")
def find_order(number: str) -> dict[str, str]:
    """Find an order by its number."""
    return {"number": number}


@tool(effect="consequential", idempotency="key")
def refund(order_id: str, amount: float, title: str = "Refund") -> dict[str, str]:
    """Refund a payment."""
    return {"order_id": order_id}


@tool(effect="consequential", idempotency="key")
def delete_customer(customer_id: str) -> None:
    """Delete a customer."""


RULES = {"find_order": "by itself", "refund": "asks first", "delete_customer": "never"}


SCOPE = Scope(
    title="Shop",
    text="# Shop\nOnly orders of the shop.",
    sections={"what it may answer": "The state of orders."},
    tools={name: ScopeTool(name=name, rule=parse_rule(text)) for name, text in RULES.items()},
    limits=Limits(plan_steps=5),
)


@dataclass(frozen=True)
class StubAgent:
    """An agent in memory, of the shape of `LoadedAgent`."""

    name: str = "shop"
    version: str = "v1"
    settings: AgentSettings = field(default_factory=AgentSettings)
    planner_prompt: str = "You plan for a small shop."
    responder_prompt: str = "Sign as the shop's team."
    scope: Scope = SCOPE

    @cached_property
    def tools(self) -> dict[str, Tool]:
        made: list[Tool] = [getattr(each, TOOL_ATTRIBUTE) for each in (find_order, refund, delete_customer)]
        return {each.name: each for each in made}

    @cached_property
    def policies(self) -> dict[str, ToolPolicy]:
        return {name: each.policy(self.scope.tools[name].rule.short) for name, each in self.tools.items()}

    @cached_property
    def schemas(self) -> dict[str, dict[str, Any]]:
        return {name: each.schema for name, each in self.tools.items()}

    @cached_property
    def results(self) -> dict[str, Form]:
        return {name: form_of_type(each.returns) for name, each in self.tools.items()}


@dataclass
class StubAgents:
    """A catalogue of one agent."""

    agent: StubAgent = field(default_factory=StubAgent)

    def get(self, name: str) -> StubAgent:
        if name != self.agent.name:
            raise PlangateError(f"there is no agent {name!r}", type=ErrorType.UNKNOWN_AGENT)
        return self.agent


@dataclass
class MemoryStore:
    """Results and usage in memory."""

    results: dict[str, Any] = field(default_factory=dict)
    usage: list[UsageRow] = field(default_factory=list)
    broken: bool = False

    async def load_results(self, keys: Sequence[str]) -> dict[str, Any]:
        if self.broken:
            raise OSError("the database is away")
        return {key: self.results[key] for key in keys if key in self.results}

    async def add_usage(self, row: UsageRow) -> None:
        if self.broken:
            raise OSError("the database is away")
        self.usage.append(row)


def settings_for(model: FakeModel, **changes: Any) -> ModelAccessSettings:
    """Settings that reach the fake model."""
    values: dict[str, Any] = {"api_key": SecretStr(KEY), "base_url": model.base_url, "timeout_seconds": 10.0, **changes}
    return ModelAccessSettings(**values)


def environment(*, attempt: int = 1, seconds: float = 60.0, heartbeat_seconds: float | None = None) -> Any:
    """An activity environment with these time-outs; its `beats` are the heartbeats' details so far."""
    env = ActivityEnvironment()
    heartbeat = timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None
    env.info = replace(
        env.info, attempt=attempt, start_to_close_timeout=timedelta(seconds=seconds), heartbeat_timeout=heartbeat
    )
    return env


async def failure_of(awaitable: Awaitable[Any]) -> tuple[ApplicationError, ErrorPayload]:
    """The `ApplicationError` that it raises, and its payload."""
    with pytest.raises(ApplicationError) as caught:
        await awaitable
    error = caught.value
    (payload,) = error.details
    assert isinstance(payload, ErrorPayload)
    assert payload.type.value == error.type
    return error, payload
