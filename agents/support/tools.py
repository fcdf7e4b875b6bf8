"""The tools of the support desk of Thistle & Spout, a small shop for teapots and kitchenware.

Reading tools look into the shop's tables. Each consequential one shows another way of taking effect once: `ledger`
(cancel, change address), `key` (refund) and `check` (e-mail).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from plangate import Compensation, Credential, ErrorType, ToolContext, ToolError, credential, health, tool

from . import knowledge, mail, ownership, payments, shop
from .records import (
    Address,
    Amount,
    CancelledOrder,
    ChangedAddress,
    Customer,
    Email,
    Order,
    OrderId,
    OrderList,
    OrderStatus,
    PolicyPassages,
    Refund,
    SentEmail,
    Shipment,
)

Reason = Annotated[str, Field(min_length=3, max_length=300, description="Why, in a few words; kept in the books.")]


@tool(
    effect="read",
    timeout=10,
    retries=2,
    dependency="shop",
    summary="Find the customer {email}",
    returns="trusted",
    targets={"email"},
)
async def find_customer(
    ctx: ToolContext,
    email: Annotated[Email, Field(description="The customer's e-mail address.")],
) -> Customer:
    """Look a customer up by e-mail address: name, since when, how many orders."""
    ownership.check_address(ctx, email)
    return await shop.find_customer(_database(ctx), email)


@tool(
    effect="read",
    timeout=10,
    retries=2,
    dependency="shop",
    summary="List the orders of {customer_email}",
    returns="trusted",
    targets={"customer_email"},
)
async def list_orders(
    ctx: ToolContext,
    customer_email: Annotated[Email, Field(description="The customer's e-mail address.")],
    status: Annotated[OrderStatus | None, Field(description="Only orders with this status.")] = None,
    limit: Annotated[int, Field(ge=1, le=50, description="How many orders at most.")] = 10,
) -> OrderList:
    """List a customer's orders, the newest first. For when the customer gives no order number."""
    ownership.check_address(ctx, customer_email)
    return await shop.list_orders(_database(ctx), customer_email, status, limit)


@tool(
    effect="read",
    timeout=10,
    retries=2,
    dependency="shop",
    summary="Look up order {order_id}",
    returns="trusted",
    targets={"order_id"},
)
async def get_order(ctx: ToolContext, order_id: OrderId) -> Order:
    """Look one order up: items, total, payment, what is refundable, status, address, and whose it is."""
    await ownership.check_order(ctx, _database(ctx), order_id)
    order = await shop.get_order(_database(ctx), order_id)
    return await payments.with_refunds(ctx, order)


@tool(
    effect="read",
    timeout=10,
    retries=2,
    dependency="shop",
    summary="Look up the delivery of order {order_id}",
    returns="trusted",
    targets={"order_id"},
)
async def get_shipment(ctx: ToolContext, order_id: OrderId) -> Shipment:
    """Look up where an order's parcel is: carrier, tracking number, promised and actual day, days late."""
    await ownership.check_order(ctx, _database(ctx), order_id)
    return await shop.get_shipment(_database(ctx), order_id)


@tool(
    effect="read",
    timeout=10,
    retries=2,
    dependency="shop",
    summary="Search the policies for {query}",
    returns="document",
)
async def search_policies(
    ctx: ToolContext,
    query: Annotated[str, Field(min_length=2, max_length=200, description="A few words, e.g. 'arrived broken'.")],
    limit: Annotated[int, Field(ge=1, le=10, description="How many passages at most.")] = 3,
) -> PolicyPassages:
    """Search the shop's policies (returns, refunds, delivery, damage, cancelling, privacy) for passages."""
    return await knowledge.search(_database(ctx), query, limit)


@tool(
    effect="consequential",
    idempotency="ledger",
    timeout=15,
    dependency="shop",
    summary="Cancel order {order_id}",
    risk="The order is taken out of the queue; a cancelled order can't be brought back, only placed again.",
    returns="trusted",
    targets={"order_id"},
)
async def cancel_order(ctx: ToolContext, order_id: OrderId, reason: Reason) -> CancelledOrder:
    """Cancel an order that hasn't left the shop. It doesn't return the money: refund the payment for that."""
    await ownership.check_order(ctx, _database(ctx), order_id)
    return await shop.cancel_order(_database(ctx), order_id, reason)


@tool(
    effect="consequential",
    idempotency="ledger",
    timeout=15,
    dependency="shop",
    summary="Change the delivery address of order {order_id}",
    risk="The parcel goes to the new address; a wrong or stolen one can't be called back.",
    compensation=Compensation(tool="change_address", args={"order_id": "args.order_id", "address": "result.previous"}),
    returns="trusted",
    targets={"order_id"},
)
async def change_address(
    ctx: ToolContext,
    order_id: OrderId,
    address: Annotated[Address, Field(description="The whole new delivery address.")],
) -> ChangedAddress:
    """Change the delivery address of an order that hasn't left the shop."""
    await ownership.check_order(ctx, _database(ctx), order_id)
    return await shop.change_address(_database(ctx), order_id, address)


@tool(
    effect="consequential",
    idempotency="key",
    timeout=20,
    retries=5,
    retry_max=30,
    dependency="payments",
    summary="Refund £{amount:.2f} for order {order_id}",
    risk="Money leaves the shop's account and can't be called back.",
    returns="trusted",
    targets={"order_id"},
)
async def refund_payment(ctx: ToolContext, order_id: OrderId, amount: Amount, reason: Reason) -> Refund:
    """Refund an order's payment, in whole or in part, to the means it was paid with."""
    if ownership.customer(ctx):
        await ownership.check_order(ctx, _database(ctx), order_id)
    return await payments.refund(ctx, order_id, amount, reason)


async def find_sent_email(ctx: ToolContext, to: str, subject: str, body: str) -> SentEmail | None:
    """Whether this call's e-mail has been sent: `send_email`'s read-back."""
    return await mail.find(ctx, to, subject)


@tool(
    effect="consequential",
    idempotency="check",
    read_back=find_sent_email,
    timeout=20,
    dependency="mail",
    summary="E-mail {to}: {subject}",
    risk="The customer reads it; it can't be called back.",
    returns="trusted",
    targets={"to"},
)
def send_email(
    ctx: ToolContext,
    to: Annotated[Email, Field(description="The customer's e-mail address, from their order.")],
    subject: Annotated[str, Field(min_length=1, max_length=150, pattern=r"^[^\r\n]+$", description="Subject line.")],
    body: Annotated[str, Field(min_length=1, max_length=5000, description="The text, plain, without a signature.")],
) -> SentEmail:
    """Send an e-mail to a customer of the shop; the shop's signature is added. Others can't be written to."""
    ownership.check_address(ctx, to)
    return mail.send(ctx, to, subject, body)


@credential("payments")
async def payments_token(ctx: ToolContext) -> Credential:
    """A bearer token of the payment service."""
    return await payments.token(ctx)


@health("payments")
async def payments_answer(ctx: ToolContext) -> None:
    """The payment service answers."""
    await payments.check(ctx)


@health("mail")
async def mail_server_answers(ctx: ToolContext) -> None:
    """The mail server greets."""
    await mail.check(ctx)


@health("shop")
async def shop_has_its_tables(ctx: ToolContext) -> None:
    """The shop's tables can be read."""
    await shop.check(_database(ctx))


def _database(ctx: ToolContext) -> AsyncConnection:
    if ctx.database is None:
        raise ToolError(
            "the shop's tables are in the project's database and this call has no connection to it",
            permanent=True,
            type=ErrorType.BUG,
        )
    return ctx.database
