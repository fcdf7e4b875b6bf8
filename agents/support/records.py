"""What the shop's tools take and give: arguments and results, typed and described."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Currency = Literal["GBP"]
CURRENCY: Currency = "GBP"
OrderStatus = Literal["placed", "packing", "shipped", "delivered", "cancelled"]
"""`placed` and `packing` orders haven't left the shop: they can be changed and cancelled."""
ShipmentStatus = Literal["not_sent", "in_transit", "delayed", "delivered"]


def _as_text(value: Any) -> Any:
    """A number from a plan is as good as its digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def order_number(text: str) -> str:
    """`#1042`, `TP-1042` and `1042` are the same order: `1042`."""
    return text.strip().upper().removeprefix("#").removeprefix("TP-")


def _pence(value: float) -> float:
    """Money has two decimals; what has more is a mistake, not something to round."""
    rounded = round(value, 2)
    if abs(rounded - value) > 1e-9:
        raise ValueError("an amount has two decimals at most")
    return rounded


OrderId = Annotated[
    str,
    Field(pattern=r"^(#|TP-|tp-)?[0-9]{4,8}$", description="Order number, for example '1042' or '#1042'."),
    BeforeValidator(_as_text),
    AfterValidator(order_number),
]
Email = Annotated[
    str,
    Field(
        pattern=r'^[^@\s<>,;:"]{1,64}@[^@\s<>,;:"]+\.[^@\s<>,;:"]+$',
        max_length=254,
        description="E-mail address.",
        examples=["rosa@example.com"],
    ),
]
OrderNumber = Annotated[str, Field(pattern=r"^[0-9]{4,8}$")]
"""An order's number as the shop's books have it."""
Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@=+/-]{1,200}$")]
"""A number or id that a service has given; no words."""
Amount = Annotated[
    float,
    Field(
        ge=0.01,
        le=10_000,
        allow_inf_nan=False,
        description="Amount in pounds (GBP), for example 62.00.",
        json_schema_extra={"currency": "GBP"},
    ),
    AfterValidator(_pence),
]


class Record(BaseModel):
    """Common to all of them: read-only, and no field that isn't declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(Record):
    """A delivery address."""

    name: str = Field(min_length=1, max_length=100, description="Who receives the parcel.")
    line1: str = Field(min_length=1, max_length=100, description="House and street.")
    line2: str = Field(default="", max_length=100, description="Flat, building or district; may be empty.")
    city: str = Field(min_length=1, max_length=60, description="Town or city.")
    postcode: str = Field(min_length=2, max_length=12, description="Postcode.")
    country: str = Field(default="GB", pattern=r"^[A-Z]{2}$", description="Country, two letters (ISO 3166).")


class Customer(Record):
    """A customer of the shop."""

    email: Email
    name: str
    customer_since: date
    orders: int = Field(description="How many orders they have placed.")


class OrderSummary(Record):
    """One order in a list."""

    order_id: OrderNumber
    status: OrderStatus
    placed_on: date
    total: float
    currency: Currency = CURRENCY
    items: int = Field(description="Number of pieces.")


class OrderList(Record):
    """A customer's orders, the newest first."""

    customer_email: Email
    count: int = Field(description="How many orders match, also when the list is shorter.")
    orders: list[OrderSummary]


class OrderItem(Record):
    """A line of an order."""

    sku: str
    name: str
    quantity: int
    unit_price: float


class Payment(Record):
    """How an order was paid, and what has been paid back."""

    method: str
    paid: float
    refunded: float
    currency: Currency = CURRENCY
    source: Literal["payment service", "books"] = Field(
        default="books",
        description="Who says so; the books may not know the newest refunds when the payment service can't be asked.",
    )


class Order(Record):
    """Everything about one order."""

    order_id: OrderNumber
    status: OrderStatus
    placed_on: date
    customer_name: str
    customer_email: Email
    items: list[OrderItem]
    total: float
    currency: Currency = CURRENCY
    payment: Payment
    refundable: float = Field(description="What can still be refunded, in the order's currency.")
    address: Address


class Shipment(Record):
    """Where an order's parcel is."""

    order_id: OrderNumber
    status: ShipmentStatus
    carrier: str | None = None
    tracking: str | None = None
    sent_on: date | None = None
    promised_on: date = Field(description="The day that the customer was promised.")
    expected_on: date | None = Field(default=None, description="The day that the carrier expects now.")
    delivered_on: date | None = None
    days_late: int = Field(default=0, description="Days after the promised day; 0 when it isn't late.")


class Passage(Record):
    """A passage of the shop's policies."""

    source: str = Field(description="The document, for example 'returns.md'.")
    title: str = Field(description="Document and section, for example 'Returns: How long you have'.")
    passage: str


class PolicyPassages(Record):
    """What the policies say, the best match first; no passages when nothing matches."""

    query: str
    passages: list[Passage]


class CancelledOrder(Record):
    """An order that has just been cancelled. Its money isn't returned by that."""

    order_id: OrderNumber
    status: Literal["cancelled"] = "cancelled"
    cancelled_on: date
    refundable: float = Field(description="What the customer paid and, by the books, has not got back.")


class ChangedAddress(Record):
    """An order's new delivery address, and the one it had."""

    order_id: OrderNumber
    address: Address
    previous: Address


class Refund(Record):
    """A refund that the payment service has made."""

    refund_id: Token
    order_id: OrderNumber
    amount: float
    currency: Currency = CURRENCY
    refundable: float = Field(description="What can be refunded after it.")


class SentEmail(Record):
    """An e-mail that the mail server has taken."""

    message_id: Token
    to: Email
    subject: str
