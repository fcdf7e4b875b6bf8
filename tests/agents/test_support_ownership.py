"""A customer who is signed in gets at their own orders and nobody else's; the desk's people at all."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.catalogue.loading import LoadedAgent
from plangate.errors import ErrorType
from plangate.tool_context import ToolError
from tests.agents.conftest import MakeContext

ROSA = "Rosa.Amsel@example.com"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_order", {"order_id": "1051"}),
    ("get_order", {"order_id": "9999"}),
    ("get_shipment", {"order_id": "1051"}),
    ("cancel_order", {"order_id": "1051", "reason": "because"}),
    ("change_address", {"order_id": "1051", "address": None}),
    ("refund_payment", {"order_id": "1051", "amount": 5.0, "reason": "because"}),
    ("send_email", {"to": "tobias.fenn@example.com", "subject": "Hi", "body": "Hello"}),
    ("find_customer", {"email": "tobias.fenn@example.com"}),
    ("list_orders", {"customer_email": "tobias.fenn@example.com"}),
]


@pytest.mark.parametrize(("tool", "args"), CALLS, ids=str)
async def test_other_peoples_orders_are_not_shown_or_touched(
    agent: LoadedAgent, shop: AsyncConnection, context: MakeContext, tool: str, args: dict[str, Any]
) -> None:
    ctx = dataclasses.replace(context(shop), user=ROSA)
    with pytest.raises(ToolError, match=r"rosa\.amsel@example\.com") as caught:
        await agent.tool(tool).function(ctx, **args)
    assert caught.value.type is ErrorType.BUSINESS


@pytest.mark.parametrize(("user", "order"), [(ROSA, "1042"), ("kim", "1051"), (None, "1051")])
async def test_ones_own_and_for_the_desk_all(
    agent: LoadedAgent, shop: AsyncConnection, context: MakeContext, user: str | None, order: str
) -> None:
    ctx = dataclasses.replace(context(shop), user=user)
    found = await agent.tool("get_shipment").function(ctx, order)
    assert found.order_id == order
