"""The tests of the test: what a worker of the nursery loses, so that the checker has something to find.

Each of these takes one protection away in one forked process, by replacing functions in its memory. The product has no
switch for any of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def switch_off_ledger() -> None:
    """Every attempt is a first one: nothing is looked up in the ledger before an effect, nothing is kept of it."""
    from activities import ledger

    claim = ledger.claim

    async def forgetful(conn: Any, call: Any, **about: Any) -> ledger.Entry:
        await claim(conn, call, **about)  # the row stays, so that the checker sees what was meant
        return ledger.Entry(ledger.LedgerState.INTENDED, new=True, mine=True)

    ledger.claim = forgetful


def switch_off_gates() -> None:
    """No gate opens in the workflow, and the activity doesn't ask for an approval."""
    from activities import tool_calls
    from workflows.stepping import Stepper

    def no_gate(*_: Any, **__: Any) -> None:
        return None

    assert callable(Stepper._open_gate)
    assert callable(tool_calls.check_verdicts)
    Stepper._open_gate = no_gate
    tool_calls.check_verdicts = no_gate


def fresh_keys() -> None:
    """Each attempt tells the far side another key, so that nothing there can be recognised."""
    from activities.effects import Effects

    context = Effects._context

    def with_fresh_key(self: Any, checked: Any, database: Any) -> Any:
        from dataclasses import replace

        known = context(self, checked, database)
        return replace(known, idempotency_key=f"{known.idempotency_key}-{checked.attempt}")

    Effects._context = with_fresh_key


def shift_clock(hours: int) -> None:
    """The clock is so many hours wrong where the worker's Python code reads it; not in Temporal's core."""
    import sys
    import time
    from datetime import datetime, timedelta, tzinfo

    real = time.time

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    time.time = lambda: real() + hours * 3600
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("activities", "workers", "support") and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]


SABOTAGES: dict[str, Callable[[], None]] = {
    "ledger": switch_off_ledger,
    "gates": switch_off_gates,
    "keys": fresh_keys,
    "clock+1": lambda: shift_clock(1),
    "clock-1": lambda: shift_clock(-1),
}
