"""What is asked and what people say to it: errands of the example shop's customers, each about orders of its own.

An errand refunds a part of one order and writes to its customer, cancels a second order, sends a third one elsewhere:
all consequential tools and so all ways of taking effect once. People approve, edit, reject, say things twice.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.checker import fingerprint

MARK = "Errand"
"""What a planned request begins with, so that the scripted planner finds the errand's plan."""


@dataclass(frozen=True)
class Verdict:
    """What a person says at a gate."""

    action: str = "approve"
    args: dict[str, Any] | None = None
    """With an edit: all arguments."""
    times: int = 1
    then: str = ""
    """Said right afterwards, by somebody else."""
    update: bool = False
    """As an update, which answers; else as a signal."""


@dataclass
class Case:
    """One run: who asks for what, what people say, and what may come of it."""

    run: str
    plan: dict[str, Any]
    about: str
    """What the request names: orders, and whose they are. What it doesn't name, the agent asks about first."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By step; any other gate is approved."""
    meant: Counter[str] = field(default_factory=Counter)
    """What has to happen how often (`checker.fingerprint`)."""
    planned: bool = False
    """The model plans it; else the caller brings the plan."""

    @property
    def input(self) -> dict[str, Any]:
        """The workflow's input."""
        request = f"{MARK} {self.run}: please see to {self.about}."
        asked = {"agent": "support", "request": request, "user": "desk"}
        return asked if self.planned else {**asked, "plan": self.plan}


class Shop:
    """The orders of the shop, each given out once.

    Args:
        agents: The folder of agents whose shop it is.
        dice: Shuffles them.
    """

    def __init__(self, agents: Path, dice: random.Random) -> None:
        data = _data(agents)
        paid = {row["order_id"]: row["paid_pence"] for row in data.payments if row["refunded_pence"] == 0}
        orders = list(data.orders)
        dice.shuffle(orders)
        delivered = [each for each in orders if each["status"] == "delivered" and paid.get(each["order_id"], 0) >= 5500]
        self._pools = {
            "delivered": delivered,
            "open": [each for each in orders if each["status"] in ("placed", "packing")],
            "shipped": [each for each in orders if each["status"] == "shipped"],
        }

    def take(self, pool: str) -> dict[str, Any]:
        """An order that nobody else has."""
        return self._pools[pool].pop()


def _data(agents: Path) -> Any:
    name = f"chaos_shop_data_{abs(hash(str(agents)))}"
    spec = importlib.util.spec_from_file_location(name, agents / "support" / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.generate(datetime.now(UTC).date())


def address(dice: random.Random) -> dict[str, Any]:
    """A delivery address that nobody else has."""
    number = dice.randrange(10**6)
    return {"name": f"Person {number}", "line1": f"{number} Quince Close", "city": "Easterly", "postcode": "EY4 2BJ"}


def full(given: dict[str, Any]) -> dict[str, Any]:
    """An address with its defaults."""
    return {"line2": "", "country": "GB", **given}


def errand(run: str, shop: Shop, dice: random.Random, *, words: str = "", calm: bool = False) -> Case:
    """A refund, an e-mail, a cancellation and a new address.

    Args:
        run: Its id.
        shop: Where the orders are.
        dice: Chooses amounts and what people say.
        words: For the far side, in the refund's reason and the e-mail's subject: see `farside.MISBEHAVIOUR`.
        calm: People only approve, once.
    """
    paid, placed, moved = shop.take("delivered"), shop.take("open"), shop.take("open")
    number, user = paid["order_id"], paid["customer_email"]
    amount = float(dice.choice((6, 12, 26, 31, 44)))
    reason = f"arrived broken {run} {words}".strip()
    subject, body = f"Your refund for order {number} {words}".strip(), f"We have refunded £{amount:.2f}."
    why, to = f"ordered twice {run}", address(dice)
    steps = [
        {"id": "look", "tool": "get_order", "args": {"order_id": number}},
        {
            "id": "refund",
            "tool": "refund_payment",
            "args": {"order_id": {"$ref": "look.order_id"}, "amount": amount, "reason": reason},
        },
        {
            "id": "mail",
            "tool": "send_email",
            "args": {"to": {"$ref": "look.customer_email"}, "subject": subject, "body": body},
            "after": ["refund"],
        },
        {"id": "cancel", "tool": "cancel_order", "args": {"order_id": placed["order_id"], "reason": why}},
        {"id": "move", "tool": "change_address", "args": {"order_id": moved["order_id"], "address": to}},
    ]
    about = f"the orders {number}, {placed['order_id']} and {moved['order_id']}, and write to {user}"
    case = Case(run, {"goal": "See to three orders.", "steps": steps}, about, planned=dice.random() < 0.25)
    calls = {
        "refund": ("refund_payment", {"order_id": number, "amount": amount, "reason": reason}),
        "cancel": ("cancel_order", {"order_id": placed["order_id"], "reason": why}),
        "move": ("change_address", {"order_id": moved["order_id"], "address": full(to)}),
    }
    refused = set()
    for step, (tool, args) in calls.items():
        asks = step != "refund" or amount >= 25
        verdict = _verdict(dice, step, args) if asks and not calm else Verdict(update=dice.random() < 0.2)
        case.verdicts[step] = verdict
        happens = not asks or verdict.action in ("approve", "edit")
        edited = verdict.args if asks and verdict.action == "edit" and verdict.args else args
        case.meant[fingerprint(tool, edited)] += happens
        if not happens:
            refused.add(step)
    mail = {"to": user, "subject": subject, "body": body}
    case.meant[fingerprint("send_email", mail)] += "refund" not in refused
    return case


def _verdict(dice: random.Random, step: str, args: dict[str, Any]) -> Verdict:
    update, luck = dice.random() < 0.2, dice.random()
    if luck < 0.06:
        return Verdict("reject", update=update)
    if luck < 0.14:
        edits: dict[str, dict[str, Any]] = {
            "refund": {"amount": 25.5},
            "cancel": {"reason": f"{args.get('reason', '')} (edited)"},
            "move": {"address": {**args.get("address", {}), "line2": "Flat 2"}},
        }
        return Verdict("edit", {**args, **edits[step]}, update=update)
    if luck < 0.24:
        return Verdict(times=dice.randint(2, 4))
    if luck < 0.30:
        return Verdict(then="reject")
    return Verdict(update=update)


def doomed(run: str, shop: Shop, dice: random.Random) -> Case:
    """A new address, and then something that can't be: the run fails and takes the address back."""
    moved, gone = shop.take("open"), shop.take("shipped")
    to, before = (
        address(dice),
        {name: moved[name] for name in ("name", "line1", "line2", "city", "postcode", "country")},
    )
    steps = [
        {"id": "move", "tool": "change_address", "args": {"order_id": moved["order_id"], "address": to}},
        {
            "id": "cancel",
            "tool": "cancel_order",
            "args": {"order_id": gone["order_id"], "reason": f"too late {run}"},
            "after": ["move"],
        },
    ]
    about = f"the orders {moved['order_id']} and {gone['order_id']}"
    case = Case(run, {"goal": "Change one order, cancel another.", "steps": steps}, about)
    for where in (full(to), before):
        case.meant[fingerprint("change_address", {"order_id": moved["order_id"], "address": where})] += 1
    return case
