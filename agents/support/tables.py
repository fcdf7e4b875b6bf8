"""The shop's tables, in the project's database. Amounts are in pence."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Integer, MetaData, String, Table

metadata = MetaData()

customers = Table(
    "shop_customers",
    metadata,
    Column("email", String(254), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("customer_since", Date, nullable=False),
    Column("line1", String(100), nullable=False),
    Column("city", String(60), nullable=False),
    Column("postcode", String(12), nullable=False),
)

orders = Table(
    "shop_orders",
    metadata,
    Column("order_id", String(12), primary_key=True),
    Column("customer_email", ForeignKey("shop_customers.email"), nullable=False, index=True),
    Column("status", String(20), nullable=False),
    Column("placed_on", Date, nullable=False),
    Column("total_pence", Integer, nullable=False),
    Column("cancelled_on", Date),
    Column("cancel_reason", String(300)),
    # Where it goes: the customer's address at the time, or the one it was changed to.
    Column("name", String(100), nullable=False),
    Column("line1", String(100), nullable=False),
    Column("line2", String(100), nullable=False, default=""),
    Column("city", String(60), nullable=False),
    Column("postcode", String(12), nullable=False),
    Column("country", String(2), nullable=False),
)

items = Table(
    "shop_order_items",
    metadata,
    Column("order_id", ForeignKey("shop_orders.order_id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("sku", String(20), nullable=False),
    Column("name", String(100), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_pence", Integer, nullable=False),
)

shipments = Table(
    "shop_shipments",
    metadata,
    Column("order_id", ForeignKey("shop_orders.order_id"), primary_key=True),
    Column("carrier", String(40)),
    Column("tracking", String(40)),
    Column("sent_on", Date),
    Column("promised_on", Date, nullable=False),
    Column("expected_on", Date),
    Column("delivered_on", Date),
)

payments = Table(
    "shop_payments",
    metadata,
    Column("order_id", ForeignKey("shop_orders.order_id"), primary_key=True),
    Column("method", String(20), nullable=False),
    Column("paid_pence", Integer, nullable=False),
    # As of the last closing of the books; the payment service has the last word.
    Column("refunded_pence", Integer, nullable=False),
)
