"""Whose matter it is: a customer who is signed in by e-mail address gets at their own orders and nobody else's.

The run's `user` is what the caller says of who asks. An address stands for that customer; anything else (a name,
nobody) for the desk's own people, whose calls are held to what the request names by the rules of information flow.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from plangate import ToolContext, ToolError

from .tables import orders


def customer(ctx: ToolContext) -> str | None:
    """The address of the customer who asks, in lower case; None when it is somebody of the desk."""
    return ctx.user.strip().lower() if ctx.user and "@" in ctx.user else None


async def check_order(ctx: ToolContext, database: AsyncConnection, order_id: str) -> None:
    """Whether the order is the customer's own; the same answer when there is no such order.

    Raises:
        ToolError: A business error when it isn't.
    """
    asks = customer(ctx)
    if asks is None:
        return
    owner = (await database.execute(select(orders.c.customer_email).where(orders.c.order_id == order_id))).scalar()
    if owner is None or owner.lower() != asks:
        raise ToolError(f"{asks} has no order {order_id!r}; other people's orders are not shown or touched")


def check_address(ctx: ToolContext, address: str) -> None:
    """Whether an address is the customer's own.

    Raises:
        ToolError: A business error when it isn't.
    """
    asks = customer(ctx)
    if asks is not None and address.lower() != asks:
        raise ToolError(f"{asks} asks, so {address!r} is neither looked up nor written to")
