"""The product's worker without ledger, circuit breaker and pacing, to see what they cost. For measuring only."""

import sys

from activities.breakers import Breakers, Permit
from activities.checked import Checked
from activities.effects import Effects
from activities.pacing import Pacing
from workers.worker import main


async def _without_ledger(effects: Effects, checked: Checked) -> str:
    return await effects._plain(checked)


async def _never_asked(breakers: Breakers, dependency: str, *, seconds: float) -> Permit:
    return Permit(dependency)


def _no_limits(pacing: Pacing, dependency: str) -> None:
    return None


async def _never_told(breakers: Breakers, permit: Permit) -> None:
    return None


if __name__ == "__main__":
    Effects.make = _without_ledger
    Breakers.ask = _never_asked
    Breakers.settle = _never_told
    Pacing.pace = _no_limits
    sys.exit(main())
