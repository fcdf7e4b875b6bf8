"""What is asked: refunds of different customers' orders of the example shop, in the demo's words and with an amount."""

from __future__ import annotations

import importlib.util
import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

AGENTS = Path(__file__).parents[2] / "agents"
PART_PENCE = 2600
"""A partial refund: a person is asked from 25 pounds on, and a second one of the same order would be possible."""


@dataclass(frozen=True)
class Case:
    """One run: who asks for what, and what has to come of it."""

    run: str
    order: str
    customer: str
    pence: int
    request: str

    @property
    def input(self) -> dict[str, Any]:
        """The workflow's input."""
        return {"agent": "support", "request": self.request, "user": self.customer}


@cache
def _shop() -> Any:
    spec = importlib.util.spec_from_file_location("e2e_shop_data", AGENTS / "support" / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.generate(datetime.now(UTC).date())


def make_cases(dice: random.Random, count: int, prefix: str, *, partial: bool = False) -> list[Case]:
    """Cases about different orders.

    Args:
        dice: Chooses them.
        count: How many.
        prefix: Of the runs' ids.
        partial: All of them ask for a part of the price; otherwise every second one does.

    Raises:
        ValueError: The shop has fewer orders that can be refunded.
    """
    paid = {row["order_id"]: row["paid_pence"] for row in _shop().payments if row["refunded_pence"] == 0}
    orders = [row for row in _shop().orders if row["status"] == "delivered" and paid.get(row["order_id"], 0) >= 5500]
    chosen = dice.sample(orders, count)
    return [
        _case(f"{prefix}-{number}", row, paid[row["order_id"]], partial or number % 2 == 1)
        for number, row in enumerate(chosen)
    ]


def _case(run: str, order: dict[str, Any], paid: int, partial: bool) -> Case:
    number, customer = order["order_id"], order["customer_email"]
    if partial:
        said = f"Order {number} arrived broken. Please refund £26.00 of it and send me a confirmation by e-mail."
        return Case(run, number, customer, PART_PENCE, said)
    return Case(run, number, customer, paid, f"Hi, my order {number} arrived broken. I'd like my money back, please.")
