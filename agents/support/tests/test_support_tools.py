"""Tests of the agent's tools: `pytest agents/support`. A tool is a plain function, so it is called like one.

Here is what the owner would want to see; tests/agents has every corner, PostgreSQL, HTTP and SMTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from activities.catalogue import LoadedAgent, load_agent
from plangate import ToolContext, ToolError
from plangate.policy import Action


@pytest.fixture(scope="module")
def agent() -> LoadedAgent:
    """The agent, loaded as the worker loads it; fails with every mistake of the folder."""
    return load_agent(Path(__file__).parents[1])


@pytest.fixture
async def context(agent: LoadedAgent) -> AsyncIterator[ToolContext]:
    """A call's context: a shop in memory, and services that aren't there."""
    setup = agent.module("setup")
    assert setup is not None
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await setup.setup(connection, {})
        settings = {"payments_url": "http://127.0.0.1:1", "mailbox_url": "", "smtp": "127.0.0.1:1"}
        yield ToolContext(idempotency_key="pg1-test", settings=settings, database=connection, obtain=_token)
    await engine.dispose()


async def _token(name: str) -> str:
    return f"a token of {name}"


async def test_the_broken_teapot_is_in_the_books(agent: LoadedAgent, context: ToolContext) -> None:
    """A reading tool; the payment service can't be asked, so the books answer."""
    order = await agent.tools["get_order"].function(context, "1042")
    assert (order.customer_name, order.total, order.refundable) == ("Rosa Amsel", 62.0, 62.0)
    assert order.payment.source == "books"


async def test_what_the_policies_say_about_it(agent: LoadedAgent, context: ToolContext) -> None:
    """A search in knowledge/."""
    found = await agent.tools["search_policies"].function(context, "arrived broken", 3)
    assert found.passages[0].source == "damaged-goods.md"


async def test_only_an_order_in_the_shop_is_cancelled(agent: LoadedAgent, context: ToolContext) -> None:
    """A consequential tool in `ledger` mode: it writes through `ctx.database`; its no is a business error."""
    cancel = agent.tools["cancel_order"].function
    assert (await cancel(context, "1051", "wrong caddy")).status == "cancelled"
    with pytest.raises(ToolError, match="on its way"):
        await cancel(context, "1060", "wrong teapot")


async def test_a_refund_needs_the_payment_service(agent: LoadedAgent, context: ToolContext) -> None:
    """A transient error: Temporal tries again, under the same key."""
    with pytest.raises(ToolError, match="can't reach the payment service"):
        await agent.tools["refund_payment"].function(context, "1042", 62.0, "arrived broken")


def test_what_the_scope_says(agent: LoadedAgent) -> None:
    """What scope.md says, as the gate will take it."""
    refund = {"order_id": "1042", "reason": "arrived broken"}
    assert agent.verdict("refund_payment", {**refund, "amount": 62.0}).action is Action.ASK
    assert agent.verdict("refund_payment", {**refund, "amount": 4.5}).action is Action.ALLOW
    assert agent.verdict("cancel_order", {"order_id": "1051"}).action is Action.ASK
    assert agent.verdict("refund_payment", {**refund, "amount": 500.01}).action is Action.BLOCK
    assert agent.verdict("send_email", {"to": "rosa.amsel@example.com", "body": "Hello"}).action is Action.ALLOW
