"""What runs of the example agent found and did, drawn from a seed, for answers that are true or false of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any

from activities.catalogue.loading import LoadedAgent, load_agent
from activities.guardrails.contracts import Answered
from activities.guardrails.evidence import Evidence
from plangate.run_status import StepReport
from plangate.runs import Outcome, StepStatus
from plangate.tasks import RespondTask

ROOT = Path(__file__).parents[3]
PASSAGE = (
    "Your bank needs three to five working days to show it. You can return anything within 30 days. Delivery costs "
    "£4.50 and is free from £40.00; the code in our newsletter takes 10% off one order."
)


@cache
def support() -> LoadedAgent:
    """The example agent."""
    return load_agent(ROOT / "agents" / "support")


@dataclass(frozen=True)
class Order:
    """An order in the books."""

    order: str
    price: float
    placed: date
    item: str


@dataclass(frozen=True)
class World:
    """One run: an order that came late, another one of the same customer, and one of somebody else."""

    own: Order
    second: Order
    strange: Order
    refund: str
    tracking: str
    email: str
    late: int
    carrier: str
    refunded: bool = True
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def promised(self) -> date:
        return self.own.placed + timedelta(days=5)

    @property
    def came(self) -> date:
        return self.promised + timedelta(days=self.late)

    def _order(self, order: Order, customer: str) -> dict[str, Any]:
        return {
            "order_id": order.order, "status": "delivered", "placed_on": order.placed.isoformat(), "customer_email": customer,
            "total": order.price, "currency": "GBP", "items": [{"name": order.item, "quantity": 1, "unit_price": order.price}],
        }  # fmt: skip

    @cached_property
    def results(self) -> dict[str, Any]:
        """Results by step id."""
        found: dict[str, Any] = {
            "orders": [self._order(each, self.email) for each in (self.own, self.second)],
            "stranger": self._order(self.strange, "tom.other@example.com"),
            "shipment": {
                "order_id": self.own.order, "status": "delivered", "carrier": self.carrier, "tracking": self.tracking,
                "promised_on": self.promised.isoformat(), "delivered_on": self.came.isoformat(), "days_late": self.late,
            },
            "policy": {"query": "late", "passages": [{"source": "refunds.md", "title": "Refunds", "passage": PASSAGE}]},
        }  # fmt: skip
        if self.refunded:
            found["refund"] = {"refund_id": self.refund, "order_id": self.own.order, "amount": self.own.price, "currency": "GBP"}  # fmt: skip
            found["mail"] = {"message_id": "m-1@shop", "to": self.email, "subject": f"Your refund for {self.own.order}"}
        return found

    @cached_property
    def task(self) -> RespondTask:
        """What the answering activity gets."""
        done, did = StepStatus.DONE, StepStatus.DONE if self.refunded else StepStatus.REJECTED
        steps = [
            StepReport(id="orders", title="", tool="list_orders", status=done),
            StepReport(id="stranger", title="", tool="get_order", status=done),
            StepReport(id="shipment", title="", tool="get_shipment", status=done),
            StepReport(id="policy", title="", tool="search_policies", status=done),
            StepReport(id="refund", title="", tool="refund_payment", status=did,
                       summary=f"Refund £{self.own.price:.2f} for order {self.own.order}"),
            StepReport(id="mail", title="", tool="send_email", status=did, summary=f"E-mail {self.email}: Your refund"),
        ]  # fmt: skip
        request = f"My {self.own.item} from order {self.own.order} came late and broken. I want my money back."
        return RespondTask(
            run="r", agent="support", request=request, today="2026-11-21", user=self.email, outcome=Outcome.COMPLETED,
            steps=steps,
        )  # fmt: skip

    def answered(self, text: str) -> Answered:
        """An answer as the guardrails get it; what they have read of the results stays with the world."""
        agent = support()
        if "evidence" not in self.memo:
            self.memo["evidence"] = Evidence.of(agent, self.task, self.results)
        return Answered(agent, text, self.task, self.results, self.memo["evidence"])


def worlds(seed: int, count: int = 8) -> list[World]:
    """So many runs; prices and days of one are not near those of another by design, but may be by chance."""
    random = Random(seed)

    def order() -> Order:
        price = random.choice([random.randint(11, 99), random.randint(110, 990), random.randint(1050, 2900)])
        pence = random.choice([0, 0, 0.5, 0.95])
        placed = date(2026, random.randint(1, 9), random.randint(1, 28))
        return Order(
            str(random.randint(2100, 9899)), price + pence, placed, random.choice(["Wren teapot", "tea caddy"])
        )

    return [
        World(
            own=order(),
            second=order(),
            strange=order(),
            refund=f"rf_{random.getrandbits(32):08x}",
            tracking=f"TS{random.randint(10**7, 10**8 - 1)}GB",
            email=f"{random.choice(['rosa', 'imani', 'ada'])}{random.randint(10, 99)}@example.com",
            late=random.randint(6, 25),
            carrier=random.choice(["Parcelforce", "Royal Mail", "Yodel"]),
        )
        for _ in range(count)
    ]
