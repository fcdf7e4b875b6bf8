"""Choosing the moments: a seeded list of victims and phases; each kill waits until some run is in that phase."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.service import RPCError

from tests.chaos.driving import Customer
from tests.chaos.records import select
from tests.chaos.system import ChaosSystem

EFFECT = "effect"
"""Money has just gone out, and its answer is on the way: the worst moment of all."""
PHASES = ("make_plan", "get_order", EFFECT, "refund_payment", "send_email", "respond", "gate", "between", "any")
"""What a run is doing: an activity's type, waiting for a person, or nothing of these (a workflow task is due)."""
WORKERS = ("worker", "second worker")
AIM_SECONDS = 8.0
"""How long a kill waits for its phase before it strikes anyway."""


@dataclass(frozen=True)
class Kill:
    """When to kill whom."""

    phase: str
    victims: tuple[str, ...]
    delay: float = 0.0


def make_plan(dice: random.Random, kills: int, *, server: bool = True) -> list[Kill]:
    """So many kills, over all phases.

    Args:
        dice: Chooses phases, victims and moments.
        kills: How many.
        server: Whether the Temporal server may be killed too.
    """
    phases = [*PHASES] * (kills // len(PHASES) + 1)
    dice.shuffle(phases)
    victims = [(worker,) for worker in WORKERS * 3] + [WORKERS, ("temporal",)] * server
    return [
        Kill(phase, WORKERS) if phase == EFFECT else Kill(phase, dice.choice(victims), dice.uniform(0, 0.5))
        for phase in phases[:kills]
    ]


class Killer:
    """Kills processes until every run has ended.

    Args:
        system: Whose.
        customers: The runs.
        plan: What to do, in this order.
    """

    def __init__(self, system: ChaosSystem, customers: Sequence[Customer], plan: Sequence[Kill]) -> None:
        self.landed: Counter[str] = Counter()
        """In which phase the runs were that a kill met."""
        self.victims: Counter[str] = Counter()
        self._system, self._customers, self._plan = system, customers, plan

    async def work(self) -> None:
        """Kill by the plan."""
        for kill in self._plan:
            await self._aim(kill.phase)
            if all(customer.ended for customer in self._customers):
                return
            await asyncio.sleep(kill.delay)
            if kill.phase == EFFECT:
                self.landed[EFFECT] += 1
            else:
                self.landed.update(await self._phases())
            for victim in kill.victims:
                killed = await asyncio.to_thread(self._system.kill, victim, wait=kill.phase != EFFECT)
                self.victims[victim] += killed

    async def _aim(self, phase: str) -> None:
        deadline, refunds = time.monotonic() + AIM_SECONDS, self._refunds()
        while time.monotonic() < deadline and not all(customer.ended for customer in self._customers):
            if phase == EFFECT:
                if self._refunds() > refunds:
                    return
                await asyncio.sleep(0.01)
                continue
            found = await self._phases()
            if phase in found or (phase == "any" and found):
                return
            await asyncio.sleep(0.02)

    def _refunds(self) -> int:
        return len(select(self._system.data / "support" / "payments.sqlite", "SELECT 1 FROM refunds"))

    async def _phases(self) -> list[str]:
        """What each run that hasn't ended is doing, by the server's word."""
        found: list[str] = []
        for customer in self._customers:
            if customer.ended:
                continue
            try:
                about = (await customer.handle.describe(rpc_timeout=timedelta(seconds=2))).raw_description
            except RPCError:
                continue
            doing = [activity.activity_type.name for activity in about.pending_activities]
            found += doing or ["gate" if customer.waiting else "between"]
        return found
