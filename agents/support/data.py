"""The shop's made-up data: a few orders written by hand and a few hundred generated ones, the same every time.

Imports nothing of this folder: the companions (`services.py`) use it as a script, the tools as part of the agent.
Amounts are in pence.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

SEED = 20
CUSTOMERS = 140
ORDERS = 320
FIRST_GENERATED_ORDER = 2001
DELIVERY_FEE = 450
FREE_DELIVERY_FROM = 4000
PROMISED_DAYS = 5

PRODUCTS: dict[str, tuple[str, int]] = {
    "TP-WREN": ("Wren stoneware teapot, 1.2 l", 6200),
    "TP-HERON": ("Heron porcelain teapot, 0.8 l", 5400),
    "TP-TINY": ("Tiny Finch teapot for one", 2850),
    "KT-DAWN": ("Dawn enamel kettle, 2 l", 4700),
    "CP-PAIR": ("Pair of Wren cups", 1950),
    "CD-TIN": ("Tea caddy, brushed copper", 3400),
    "CS-RED": ("Tea cosy, rust red", 1800),
    "ST-MESH": ("Fine mesh strainer", 750),
    "TR-OAK": ("Oak serving tray", 3900),
    "SP-SET": ("Six little spoons", 1600),
    "JG-MILK": ("Milk jug, speckled", 1450),
    "TM-SAND": ("Sand timer, three minutes", 980),
}
FIRST_NAMES = (
    "Ada Bruno Cleo Dov Elin Farid Greta Hugo Ines Jonas Kezia Lior Mina Nils Oona Pavel Quinn Runa Sami Tilda"
)
LAST_NAMES = (
    "Ashdown Birkwell Cobb Dunmere Eastwick Fairlop Garth Hollin Ivers Jessop Kestle Larkmoor Merrow Nettle Orme"
)
STREETS = "Kiln Lane,Harbour Row,Mill Street,Orchard Way,Station Road,Weaver's Court,Chapel Hill,Quince Close"
CITIES = "Norbridge NB,Easterly EY,Port Amber PA,Millhaven MH,Upper Dray UD"
CARRIERS = ("Parcelwing", "Green Mile Post")
METHODS = ("card", "card", "card", "bank transfer", "gift card")

Row = dict[str, Any]


@dataclass
class Dataset:
    """The rows of the shop's tables."""

    customers: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    shipments: list[Row] = field(default_factory=list)
    payments: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Placed:
    """One order to be written; days count back from today, negative ones lie ahead."""

    order_id: str
    email: str
    status: str
    placed: int
    skus: Sequence[tuple[str, int]]
    sent: int | None = None
    delivered: int | None = None
    expected: int | None = None
    method: str = "card"


# The orders that the documentation, the demo and the examples speak of.
KNOWN_CUSTOMERS = (
    ("rosa.amsel@example.com", "Rosa Amsel"),
    ("tobias.fenn@example.com", "Tobias Fenn"),
    ("imani.vale@example.com", "Imani Vale"),
    ("percy.holm@example.com", "Percy Holm"),
    ("marguerite.sund@example.com", "Marguerite Sund"),
    ("otis.quill@example.com", "Otis Quill"),
)
KNOWN_ORDERS = (
    # Delivered three days ago; the teapot arrived broken. £62.00.
    Placed("1042", "rosa.amsel@example.com", "delivered", 8, [("TP-WREN", 1)], sent=6, delivered=3),
    # Placed yesterday, still in the shop: can be cancelled, its address can be changed. £38.50 with delivery.
    Placed("1051", "tobias.fenn@example.com", "placed", 1, [("CD-TIN", 1)]),
    # On its way: too late to cancel or to change the address. £73.50.
    Placed("1060", "imani.vale@example.com", "shipped", 3, [("TP-HERON", 1), ("CP-PAIR", 1)], sent=1, expected=-2),
    # Delivered six days after the promised day; the delivery fee of £4.50 is due back. £24.00 with delivery.
    Placed("1027", "percy.holm@example.com", "delivered", 19, [("CP-PAIR", 1)], sent=12, delivered=8),
    # Three orders of one customer: delivered long ago, being packed, delayed on its way.
    Placed("1015", "marguerite.sund@example.com", "delivered", 75, [("KT-DAWN", 1)], sent=73, delivered=71),
    Placed("1048", "marguerite.sund@example.com", "packing", 2, [("TR-OAK", 1), ("SP-SET", 1)]),
    Placed("1039", "marguerite.sund@example.com", "shipped", 9, [("TP-TINY", 1), ("JG-MILK", 1)], sent=7, expected=-1),
    # Cancelled and refunded already. £18.00 and delivery.
    Placed("1033", "otis.quill@example.com", "cancelled", 12, [("CS-RED", 1)], method="bank transfer"),
)


def generate(today: date, seed: int = SEED) -> Dataset:
    """The whole data set; only its dates depend on `today`.

    Args:
        today: The day that the data's dates count back from.
        seed: Another seed gives another shop, except for the orders written by hand.
    """
    dice = random.Random(seed)  # noqa: S311 (made-up data)
    data = Dataset()
    for email, name in KNOWN_CUSTOMERS:
        _add_customer(data, dice, today, email, name)
    for order in KNOWN_ORDERS:
        _add_order(data, dice, today, order)
    for number in range(CUSTOMERS):
        first, last = dice.choice(FIRST_NAMES.split()), dice.choice(LAST_NAMES.split())
        _add_customer(data, dice, today, f"{first}.{last}{number}@example.com".lower(), f"{first} {last}")
    for number in range(ORDERS):
        buyer = dice.choice(data.customers[len(KNOWN_CUSTOMERS) :])
        _add_order(data, dice, today, _random_order(dice, str(FIRST_GENERATED_ORDER + number), buyer["email"]))
    return data


def _random_order(dice: random.Random, order_id: str, email: str) -> Placed:
    skus = [(sku, dice.choice((1, 1, 1, 2))) for sku in dice.sample(sorted(PRODUCTS), dice.choice((1, 1, 2, 3)))]
    placed = dice.randint(0, 120)
    method = dice.choice(METHODS)
    if dice.random() < 0.06:
        return Placed(order_id, email, "cancelled", placed, skus, method=method)
    if placed < 3:
        return Placed(order_id, email, dice.choice(("placed", "packing")), placed, skus, method=method)
    sent = placed - dice.randint(1, 2)
    if placed < 7:
        return Placed(order_id, email, "shipped", placed, skus, sent=sent, expected=-dice.randint(0, 2), method=method)
    delivered = max(0, sent - dice.choice((1, 2, 2, 3, 3, 7)))
    return Placed(order_id, email, "delivered", placed, skus, sent=sent, delivered=delivered, method=method)


def _add_customer(data: Dataset, dice: random.Random, today: date, email: str, name: str) -> None:
    city, prefix = dice.choice([line.rsplit(" ", 1) for line in CITIES.split(",")])
    data.customers.append(
        {
            "email": email,
            "name": name,
            "customer_since": today - timedelta(days=dice.randint(130, 1500)),
            "line1": f"{dice.randint(1, 88)} {dice.choice(STREETS.split(','))}",
            "city": city,
            "postcode": f"{prefix}{dice.randint(1, 20)} {dice.randint(1, 9)}{''.join(dice.choices('ABDEFGH', k=2))}",
        }
    )


def _add_order(data: Dataset, dice: random.Random, today: date, order: Placed) -> None:
    buyer = next(customer for customer in data.customers if customer["email"] == order.email)
    items: list[Row] = [
        {"sku": sku, "name": PRODUCTS[sku][0], "quantity": count, "unit_pence": PRODUCTS[sku][1]}
        for sku, count in order.skus
    ]
    total = sum(item["quantity"] * item["unit_pence"] for item in items)
    if total < FREE_DELIVERY_FROM:
        items.append({"sku": "DELIVERY", "name": "Delivery", "quantity": 1, "unit_pence": DELIVERY_FEE})
        total += DELIVERY_FEE
    data.items += [{"order_id": order.order_id, "line": line, **item} for line, item in enumerate(items, 1)]
    data.orders.append(
        {
            "order_id": order.order_id,
            "customer_email": order.email,
            "status": order.status,
            "placed_on": _day(today, order.placed),
            "total_pence": total,
            **{"name": buyer["name"], "line1": buyer["line1"], "line2": "", "country": "GB"},
            **{"city": buyer["city"], "postcode": buyer["postcode"]},
        }
    )
    back = total if order.status == "cancelled" else 0
    paid = {"order_id": order.order_id, "method": order.method, "paid_pence": total, "refunded_pence": back}
    data.payments.append(paid)
    _add_shipment(data, dice, today, order)


def _add_shipment(data: Dataset, dice: random.Random, today: date, order: Placed) -> None:
    sent = order.sent is not None
    tracking = "".join(dice.choice("0123456789") for _ in range(10))
    promised = order.placed - PROMISED_DAYS
    arrives = order.expected if order.expected is not None else order.delivered
    data.shipments.append(
        {
            "order_id": order.order_id,
            "carrier": dice.choice(CARRIERS) if sent else None,
            "tracking": f"PW{tracking}" if sent else None,
            "sent_on": _day(today, order.sent),
            "promised_on": _day(today, promised),
            "expected_on": _day(today, arrives),
            "delivered_on": _day(today, order.delivered),
        }
    )


def _day(today: date, days_ago: int | None) -> Any:
    return None if days_ago is None else today - timedelta(days=days_ago)
