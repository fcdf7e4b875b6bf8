"""The product's worker without ledger and circuit breaker: what they cost is the difference. For measuring only."""

import sys

from activities.breakers import Breakers, Permit
from activities.effects import Checked, Effects
from workers.worker import main


async def _without_ledger(effects: Effects, checked: Checked) -> str:
    return await effects._plain(checked)


async def _never_asked(breakers: Breakers, dependency: str, *, seconds: float) -> Permit:
    return Permit(dependency)


async def _never_told(breakers: Breakers, permit: Permit) -> None:
    return None


if __name__ == "__main__":
    Effects.make = _without_ledger
    Breakers.ask = _never_asked
    Breakers.settle = _never_told
    sys.exit(main())
