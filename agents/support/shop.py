"""What the shop's tables can be asked, and the two changes that the desk makes in them.

Every function gets the connection of its call and leaves the commit to whoever opened it. Raises `ToolError` as a
business error when the shop's answer is no.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import RowMapping, Table, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from plangate import ToolError

from .records import (
    Address,
    CancelledOrder,
    ChangedAddress,
    Customer,
    Order,
    OrderItem,
    OrderList,
    OrderStatus,
    OrderSummary,
    Payment,
    Shipment,
    ShipmentStatus,
)
from .tables import customers, items, orders, payments, shipments

IN_THE_SHOP = ("placed", "packing")
_WHERE_TO = ("name", "line1", "line2", "city", "postcode", "country")


def today() -> date:
    """The shop's day, UTC."""
    return datetime.now(UTC).date()


def pounds(pence: int) -> float:
    """Pence as pounds."""
    return round(pence / 100, 2)


async def check(database: AsyncConnection) -> None:
    """Whether the shop's tables can be read; raises what is wrong."""
    await database.execute(select(orders.c.order_id).limit(1))


async def find_customer(database: AsyncConnection, email: str) -> Customer:
    """The customer with this address, in whatever case it was written."""
    query = (
        select(customers, func.count(orders.c.order_id).label("orders"))
        .outerjoin(orders, orders.c.customer_email == customers.c.email)
        .where(customers.c.email == email.lower())
        .group_by(*customers.c)
    )
    row = (await database.execute(query)).mappings().one_or_none()
    if row is None:
        raise ToolError(f"no customer of the shop has the e-mail address {email!r}; ask for an order number instead")
    return Customer(email=row["email"], name=row["name"], customer_since=row["customer_since"], orders=row["orders"])


async def list_orders(
    database: AsyncConnection, customer_email: str, status: OrderStatus | None, limit: int
) -> OrderList:
    """A customer's orders, the newest first; a business error if there is no such customer."""
    customer = await find_customer(database, customer_email)
    mine = orders.c.customer_email == customer.email
    if status is not None:
        mine &= orders.c.status == status
    pieces = (
        select(func.sum(items.c.quantity))
        .where(items.c.order_id == orders.c.order_id, items.c.sku != "DELIVERY")
        .scalar_subquery()
    )
    newest = orders.c.placed_on.desc(), orders.c.order_id.desc()
    query = select(orders, pieces.label("pieces")).where(mine).order_by(*newest).limit(limit)
    count = (await database.execute(select(func.count()).select_from(orders).where(mine))).scalar_one()
    found = [
        OrderSummary(
            order_id=row["order_id"],
            status=row["status"],
            placed_on=row["placed_on"],
            total=pounds(row["total_pence"]),
            items=row["pieces"] or 0,
        )
        for row in (await database.execute(query)).mappings()
    ]
    return OrderList(customer_email=customer.email, count=count, orders=found)


async def get_order(database: AsyncConnection, order_id: str) -> Order:
    """Everything about one order; what was refunded, as far as the books know."""
    row = await _order_row(database, order_id)
    paid = (await database.execute(select(payments).where(payments.c.order_id == order_id))).mappings().one()
    lines = await database.execute(select(items).where(items.c.order_id == order_id).order_by(items.c.line))
    return Order(
        order_id=order_id,
        status=row["status"],
        placed_on=row["placed_on"],
        customer_name=row["customer_name"],
        customer_email=row["customer_email"],
        items=_items(lines.mappings().all()),
        total=pounds(row["total_pence"]),
        payment=Payment(
            method=paid["method"], paid=pounds(paid["paid_pence"]), refunded=pounds(paid["refunded_pence"])
        ),
        refundable=pounds(paid["paid_pence"] - paid["refunded_pence"]),
        address=_address(row),
    )


async def get_shipment(database: AsyncConnection, order_id: str) -> Shipment:
    """Where an order's parcel is, as of today."""
    await _order_row(database, order_id)
    row = (await database.execute(select(shipments).where(shipments.c.order_id == order_id))).mappings().one()
    arrives = row["delivered_on"] or row["expected_on"]
    late = max(0, (arrives - row["promised_on"]).days) if arrives else 0
    status: ShipmentStatus = "not_sent"
    if row["delivered_on"]:
        status = "delivered"
    elif row["sent_on"]:
        status = "delayed" if late else "in_transit"
    return Shipment(status=status, days_late=late, **row)


async def cancel_order(database: AsyncConnection, order_id: str, reason: str) -> CancelledOrder:
    """Cancel an order that hasn't left the shop.

    The change comes first and asks afterwards why it met nothing, so that two calls can't both succeed.
    """
    day = today()
    change = {"status": "cancelled", "cancelled_on": day, "cancel_reason": reason}
    await _change(database, order_id, change, attempt="cancel")
    unrefunded = select(payments.c.paid_pence - payments.c.refunded_pence).where(payments.c.order_id == order_id)
    left = (await database.execute(unrefunded)).scalar_one()
    return CancelledOrder(order_id=order_id, cancelled_on=day, refundable=pounds(left))


async def change_address(database: AsyncConnection, order_id: str, address: Address) -> ChangedAddress:
    """Change where an order goes, as long as it hasn't left the shop."""
    previous = _address(await _order_row(database, order_id))
    await _change(database, order_id, address.model_dump(), attempt="change the address of")
    return ChangedAddress(order_id=order_id, address=address, previous=previous)


async def add_missing(database: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows whose keys aren't there yet."""
    insert = postgresql_insert if database.dialect.name == "postgresql" else sqlite_insert
    await database.execute(insert(table).on_conflict_do_nothing(), rows)


async def _change(database: AsyncConnection, order_id: str, values: dict[str, Any], *, attempt: str) -> None:
    changeable = (orders.c.order_id == order_id) & orders.c.status.in_(IN_THE_SHOP)
    changed = await database.execute(update(orders).where(changeable).values(**values))
    if changed.rowcount:
        return
    status = (await _order_row(database, order_id))["status"]
    after = {"shipped": "it is on its way; it can be returned when it has arrived", "delivered": "it was delivered"}
    raise ToolError(f"can't {attempt} order {order_id!r}: {after.get(status, f'it is {status} already')}")


async def _order_row(database: AsyncConnection, order_id: str) -> RowMapping:
    query = (
        select(orders, customers.c.name.label("customer_name"))
        .join(customers, customers.c.email == orders.c.customer_email)
        .where(orders.c.order_id == order_id)
    )
    row = (await database.execute(query)).mappings().one_or_none()
    if row is None:
        raise ToolError(f"the shop has no order {order_id!r}; ask the customer for the number on their confirmation")
    return row


def _items(rows: Sequence[RowMapping]) -> list[OrderItem]:
    return [
        OrderItem(sku=row["sku"], name=row["name"], quantity=row["quantity"], unit_price=pounds(row["unit_pence"]))
        for row in rows
    ]


def _address(row: RowMapping) -> Address:
    return Address(**{column: row[column] for column in _WHERE_TO})
