"""What breaks on a game day, and when: chosen by a seed, so that a storm can be repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from plangate.faultplan import FaultPlan, FaultRule

MAIL_CALLS, PAYMENT_CALLS = ("mail", "send"), ("payments", "refund")
_RETRY_AFTER = ("1", "2", "date:2")
_KILLED_AT = ("after-intent", "after-effect", "after-commit", "before-completion")
MONEY = "refund_payment"


@dataclass(frozen=True)
class Weather:
    """A storm.

    Attributes:
        plan: The faults that the processes inject into themselves.
        server_dies_after: Dependency and call of the fault after which the Temporal server is killed.
    """

    plan: FaultPlan
    server_dies_after: tuple[str, str]

    def write(self, folder: Path) -> Path:
        """Write the fault plan for the processes; returns the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "faults.yaml"
        path.write_text(self.plan.model_dump_json(exclude_defaults=True, indent=2) + "\n", encoding="utf-8")
        return path


def make_weather(seed: int) -> Weather:
    """The storm of a seed.

    The model is busy and broken, the payment service pays and falls silent, the worker dies while money is on its way,
    the mail server is dead, and the Temporal server is killed in the middle of it.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    point = dice.choice(_KILLED_AT)
    rules = [
        {"call": "plan", "fault": "rate_limited", "retry_after": dice.choice(_RETRY_AFTER), "times": 1},
        {"call": dice.choice(("plan", "answer")), "fault": "server_error", "times": 1},
        {"dependency": "payments", "call": "refund", "fault": "effect_then_timeout", "times": 1},
        {
            "dependency": "worker",
            "call": point,
            "fault": "kill",
            "match": {"tool": MONEY},
            "after": 1 if point == "after-intent" else 0,  # the first attempt is the one that gets no answer
            "times": 1,
        },
        {"dependency": "mail", "call": "send", "fault": "dead", "seconds": dice.choice((4, 5, 6)), "times": 1},
    ]
    plan = FaultPlan(seed=seed, faults=[FaultRule.model_validate(rule) for rule in rules])
    return Weather(plan, dice.choice((PAYMENT_CALLS, MAIL_CALLS)))
