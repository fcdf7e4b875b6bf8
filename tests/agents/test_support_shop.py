"""The shop's tables and the tools that read and change them, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.catalogue.loading import LoadedAgent
from plangate.errors import ErrorKind
from plangate.tool_context import ToolContext, ToolError
from tests.agents.conftest import MakeContext

Call = Callable[..., Any]


@pytest.fixture
def call(agent: LoadedAgent, shop: AsyncConnection, context: MakeContext) -> Call:
    """Call a tool as the worker does: bind the arguments, then check the result against its type."""

    async def run(name: str, /, **arguments: Any) -> Any:
        tool = agent.tool(name)
        bound = tool.arguments.model_validate(arguments)
        values = {field: getattr(bound, field) for field in type(bound).model_fields}
        result = await tool.function(context(shop), **values)
        return tool.returns.validate_python(result)

    return run


async def refused(answer: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await answer
    assert caught.value.type.kind is ErrorKind.BUSINESS
    return caught.value.message


async def count(shop: AsyncConnection, table: str) -> int:
    return int((await shop.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_setup_fills_the_shop_once(agent: LoadedAgent, shop: AsyncConnection) -> None:
    tables = ["customers", "orders", "order_items", "shipments", "payments", "policies"]
    before = {table: await count(shop, f"shop_{table}") for table in tables}
    assert before["customers"] > 100
    assert before["orders"] == before["shipments"] == before["payments"] > 300
    await shop.execute(text("UPDATE shop_orders SET status = 'delivered' WHERE order_id = '1051'"))

    await agent.module("setup").setup(shop, {})  # type: ignore[union-attr]

    assert {table: await count(shop, f"shop_{table}") for table in tables} == before
    status = await shop.execute(text("SELECT status FROM shop_orders WHERE order_id = '1051'"))
    assert status.scalar_one() == "delivered"


async def test_setup_takes_up_changed_policies(agent: LoadedAgent, shop: AsyncConnection, call: Call) -> None:
    await shop.execute(text("DELETE FROM shop_policies WHERE source = 'privacy.md'"))
    assert not [p for p in (await call("search_policies", query="tax office")).passages if p.source == "privacy.md"]
    await agent.module("setup").setup(shop, {})  # type: ignore[union-attr]
    assert (await call("search_policies", query="tax office")).passages[0].source == "privacy.md"


async def test_the_broken_teapot(call: Call) -> None:
    order = await call("get_order", order_id="#1042")
    today = datetime.now(UTC).date()
    assert (order.order_id, order.status, order.customer_email) == ("1042", "delivered", "rosa.amsel@example.com")
    assert (order.total, order.refundable, order.currency) == (62.0, 62.0, "GBP")
    assert [(item.sku, item.quantity, item.unit_price) for item in order.items] == [("TP-WREN", 1, 62.0)]
    assert order.payment.source == "books"
    shipment = await call("get_shipment", order_id="1042")
    assert (shipment.status, shipment.days_late) == ("delivered", 0)
    assert timedelta(2) <= today - shipment.delivered_on <= timedelta(4)


@pytest.mark.parametrize(
    ("order_id", "status", "late"),
    [("1051", "not_sent", 0), ("1060", "in_transit", 0), ("1039", "delayed", 5), ("1027", "delivered", 6)],
)
async def test_shipments(call: Call, order_id: str, status: str, late: int) -> None:
    shipment = await call("get_shipment", order_id=order_id)
    assert (shipment.status, shipment.days_late) == (status, late)
    assert (shipment.tracking is None) == (status == "not_sent")


@pytest.mark.parametrize("written", ["1042", "#1042", "TP-1042", "tp-1042", 1042])
async def test_an_order_number_in_any_spelling(call: Call, written: str | int) -> None:
    assert (await call("get_order", order_id=written)).order_id == "1042"


@pytest.mark.parametrize("written", ["", "12", "10 42", "1042; DROP TABLE shop_orders", "order", True, None])
def test_what_is_no_order_number(agent: LoadedAgent, written: Any) -> None:
    with pytest.raises(ValueError, match="order_id"):
        agent.tool("get_order").arguments.model_validate({"order_id": written})


def test_an_order_number_in_the_schema(agent: LoadedAgent) -> None:
    assert "pattern" in agent.tool("get_order").schema["properties"]["order_id"]


async def test_a_customers_orders(call: Call) -> None:
    found = await call("list_orders", customer_email="Marguerite.Sund@example.com")
    assert [order.order_id for order in found.orders] == ["1048", "1039", "1015"]
    assert [order.status for order in found.orders] == ["packing", "shipped", "delivered"]
    shipped = await call("list_orders", customer_email="marguerite.sund@example.com", status="shipped")
    assert ([order.order_id for order in shipped.orders], shipped.orders[0].items) == (["1039"], 2)
    first = await call("list_orders", customer_email="marguerite.sund@example.com", limit=1)
    assert (first.count, len(first.orders)) == (3, 1)
    customer = await call("find_customer", email="marguerite.sund@example.com")
    assert (customer.name, customer.orders) == ("Marguerite Sund", 3)


async def test_unknown_ones_are_the_shops_answer(call: Call) -> None:
    assert "9999" in await refused(call("get_order", order_id="9999"))
    assert "9999" in await refused(call("get_shipment", order_id="9999"))
    assert "nobody@example.com" in await refused(call("find_customer", email="nobody@example.com"))
    assert "nobody@example.com" in await refused(call("list_orders", customer_email="nobody@example.com"))


async def test_cancelling(call: Call) -> None:
    done = await call("cancel_order", order_id="1051", reason="wrong caddy")
    assert (done.status, done.refundable) == ("cancelled", 38.5)
    assert (await call("get_order", order_id="1051")).status == "cancelled"
    assert "cancelled already" in await refused(call("cancel_order", order_id="1051", reason="wrong caddy"))


@pytest.mark.parametrize(("order_id", "why"), [("1060", "on its way"), ("1042", "delivered"), ("9999", "no order")])
async def test_what_cant_be_cancelled(call: Call, order_id: str, why: str) -> None:
    assert why in await refused(call("cancel_order", order_id=order_id, reason="changed my mind"))


async def test_changing_the_address(call: Call) -> None:
    new = {"name": "Marguerite Sund", "line1": "12 Quince Close", "city": "Easterly", "postcode": "EY4 2BJ"}
    before = (await call("get_order", order_id="1048")).address
    done = await call("change_address", order_id="1048", address=new)
    assert done.previous == before
    assert (done.address.line1, done.address.country) == ("12 Quince Close", "GB")
    assert (await call("get_order", order_id="1048")).address == done.address
    assert "on its way" in await refused(call("change_address", order_id="1060", address=new))


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("my teapot arrived broken", "Damaged goods: Arrived broken"),
        ("how long can I return something", "Returns: How long you have"),
        ("cancel an order before it is sent", "Cancelling an order: Before it is sent"),
        ("change the delivery address", "Delivery: Changing the address"),
        ("parcel is late", "Delivery: When a parcel is late"),
        ("when will my refund be on my card", "Refunds: How the money comes back"),
        ("delete my personal data", "Privacy: Your data"),
    ],
)
async def test_the_policy_that_fits_comes_first(call: Call, query: str, title: str) -> None:
    found = await call("search_policies", query=query)
    assert title in [passage.title for passage in found.passages][:2]
    assert 1 <= len(found.passages) <= 3


@pytest.mark.parametrize("query", ['"', "' OR 1=1 --", "NEAR(x y) AND *", "title:returns", "the of and", "\\ | & !"])
async def test_a_query_cant_say_more_than_words(call: Call, query: str) -> None:
    found = await call("search_policies", query=query.ljust(2))
    assert len(found.passages) <= 3


async def test_nothing_is_found_for_what_isnt_there(call: Call) -> None:
    assert (await call("search_policies", query="zeppelin astrolabe")).passages == []


async def test_a_call_without_the_database(agent: LoadedAgent) -> None:
    with pytest.raises(ToolError) as caught:
        await agent.tool("get_order").function(ToolContext(), "1042")
    assert caught.value.type.kind is ErrorKind.BUG


def test_the_data_is_the_same_every_time(agent: LoadedAgent) -> None:
    data = agent.module("data")
    assert data is not None
    day = datetime(2026, 3, 2, tzinfo=UTC).date()
    first, again, later = data.generate(day), data.generate(day), data.generate(day + timedelta(1))
    assert first == again
    assert first.payments == later.payments
    totals = {row["order_id"]: row["total_pence"] for row in first.orders}
    for order_id, total in totals.items():
        lines = [row for row in first.items if row["order_id"] == order_id]
        assert sum(row["quantity"] * row["unit_pence"] for row in lines) == total
