"""When a run or a day is dearer than usual: the pure rules.

The usual is a median, so that one dear run or day doesn't move it. Too few to compare with, or a usual of nothing, says
nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

RUNS = 50
"""Newest runs of an agent that cost something, which say what is usual."""
LEAST_RUNS = 10
"""Fewer say nothing."""
DAYS = 14
"""Days before today (UTC) that say what is usual; those without any cost don't count."""
LEAST_DAYS = 3
"""Fewer say nothing."""


class CostAlert(BaseModel):
    """A run or a day of an agent that cost more than a multiple of the usual."""

    model_config = ConfigDict(frozen=True)

    id: str
    """`run:RUN` or `day:AGENT:YYYY-MM-DD`: there is one at most."""
    kind: str
    """`run` or `day`."""
    agent: str
    run: str
    """The run, or the one whose end made the day dear."""
    cost_usd: float
    usual_usd: float
    message: str
    """In words, with both amounts."""


def usual(costs: Sequence[float], *, least: int) -> float | None:
    """The median of what cost something, in USD; None when there is too little to say."""
    paid = [cost for cost in costs if cost > 0]
    return statistics.median(paid) if len(paid) >= least else None


def run_alert(agent: str, run: str, cost: float, usual_usd: float | None, *, factor: float) -> CostAlert | None:
    """What is to be said of a run's cost; None when it is nothing out of the ordinary."""
    if usual_usd is None or cost <= usual_usd * factor:
        return None
    words = f"The run {run} of {agent} cost {_usd(cost)}, {_times(cost, usual_usd)} the usual {_usd(usual_usd)}."
    return CostAlert(
        id=f"run:{run}", kind="run", agent=agent, run=run, cost_usd=cost, usual_usd=usual_usd, message=words
    )


def day_alert(
    agent: str, run: str, day: str, cost: float, usual_usd: float | None, *, factor: float
) -> CostAlert | None:
    """What is to be said of a day's cost.

    Args:
        agent: The agent.
        run: The run that ended last.
        day: `YYYY-MM-DD`, UTC.
        cost: What the agent's models have cost that day, USD.
        usual_usd: The usual of the days before.
        factor: How many times the usual is too much.
    """
    if usual_usd is None or cost <= usual_usd * factor:
        return None
    words = (
        f"The agent {agent} has cost {_usd(cost)} on {day} (UTC), "
        f"{_times(cost, usual_usd)} the usual {_usd(usual_usd)} of a day."
    )
    return CostAlert(
        id=f"day:{agent}:{day}", kind="day", agent=agent, run=run, cost_usd=cost, usual_usd=usual_usd, message=words
    )


def with_alerts(summary: str, messages: Sequence[str]) -> str:
    """A run's summary with a line for each alert."""
    return "\n".join([summary, *(f"\nCost alert: {message}" for message in messages)])


def _usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"


def _times(cost: float, usual_usd: float) -> str:
    return f"{cost / usual_usd:.1f} times"
