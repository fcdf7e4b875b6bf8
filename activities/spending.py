"""What calls may spend: looked at before a gate, reserved with the ledger's claim, given back when nothing was spent.

The budgets are those of the agent's scope and those that somebody set with `plangate budget`. Where there are none,
nothing is asked and nothing is written. Where the database can't tell, the call fails and is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.catalogue import LoadedAgent
from activities.ledger import LedgerState, state_of
from activities.storage import budgets
from activities.storage.budgets import Budgets, Line
from activities.storage.store import Store
from plangate.action_limits import strictest
from plangate.currencies import shown
from plangate.policy import Action, Verdict
from plangate.spending import MODELS, SpendingLimit, micros, money
from plangate.tasks import BindTask, ToolCall

FRESH_SECONDS = 2.0
"""How long a budget that somebody sets may take to be heard of by a worker."""


class OverBudget(Exception):
    """A budget has no room for a call; nothing was done."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class Spending:
    """The budgets of a worker's agents.

    Args:
        store: The project's database.
        fresh_seconds: How old what is known of set budgets may be.
        clock: The time in UTC; tests set it.
    """

    def __init__(
        self,
        store: Store,
        *,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._fresh, self.now = store, fresh_seconds, clock
        self._budgets = Budgets(store)
        self._set: list[SpendingLimit] = []
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def limits(
        self, agent: LoadedAgent, *, of: str, user: str | None, session: str | None
    ) -> list[SpendingLimit]:
        """The budgets that a call counts against.

        Args:
            agent: The agent.
            of: `models`, or a tool.
            user: Who asked for the run.
            session: The conversation.
        """
        await self._refresh()
        mine = [each for each in self._set if each.applies(agent=agent.name, user=user, session=session)]
        return [each for each in [*agent.spending, *mine] if (each.tool or MODELS) == of]

    async def look(self, agent: LoadedAgent, task: BindTask, args: Mapping[str, Any]) -> Verdict | None:
        """What the budgets say of a call by what is spent now; nothing is reserved."""
        limits = await self.limits(agent, of=task.tool, user=task.user, session=task.session)
        if not limits:
            return None
        lines = self._lines(limits, task, args)
        async with self._store.reading() as conn:
            used = await budgets.used(conn, [line.account for line in lines])
            mine = await budgets.holds(conn, task.key)
        over = [
            _over(line, line.limit.micros - used.get(line.account, 0))
            for line in lines
            if line.account not in mine and used.get(line.account, 0) + line.micros > line.limit.micros
        ]
        return strictest(over) if over else None

    async def lines(self, agent: LoadedAgent, call: ToolCall, args: Mapping[str, Any]) -> list[Line]:
        """What a call is to reserve; read before its transaction begins."""
        limits = await self.limits(agent, of=call.tool, user=call.user, session=call.session)
        return self._lines(limits, call, args)

    def _lines(self, limits: Sequence[SpendingLimit], call: ToolCall | BindTask, args: Mapping[str, Any]) -> list[Line]:
        whose = {"run": call.run, "agent": call.agent, "user": call.user, "session": call.session}
        grant = call.grant if isinstance(call, ToolCall) else None
        agreed = set(grant.rule.split()) if grant else set()
        at = self.now()
        return [
            Line(
                account=limit.account(at=at, **whose),  # type: ignore[arg-type]
                limit=limit,
                micros=amount_of(limit, args),
                agreed=limit.rule in agreed and limit.then.action is Action.ASK,
                **whose,  # type: ignore[arg-type]
            )
            for limit in limits
        ]

    async def reserve(self, conn: AsyncConnection, key: str, lines: Sequence[Line]) -> None:
        """Reserve what a call will spend, in the transaction of its ledger row.

        Raises:
            OverBudget: There is no room; the caller rolls back.
        """
        refused = await budgets.reserve(conn, key, lines, now=self.now()) if lines else None
        if refused is not None:
            line = next(each for each in lines if each.limit == refused.limit)
            raise OverBudget(_over(line, refused.left))

    @staticmethod
    async def give_back(conn: AsyncConnection, key: str) -> None:
        """Give back what a call holds, if the ledger says that it surely spent nothing."""
        if await state_of(conn, key) in (LedgerState.FAILED, LedgerState.RESOLVED):
            await budgets.release(conn, key)

    async def _refresh(self) -> None:
        """Read the budgets that were set, when what is known is too old; calls at the same time share one read."""
        if self._is_fresh():
            return
        async with self._reading:
            if not self._is_fresh():
                began = time.monotonic()
                self._set = [limit for limit, _ in await self._budgets.listed()]
                self._read_at = began

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < self._fresh


def over_budget(limit: SpendingLimit, wanted: int, left: int) -> Verdict:
    """What a budget says of a call that it has no room for."""
    asks = f"; {limit.who or 'a person'} is asked" if limit.then.action is Action.ASK else ""
    had = shown(money(max(left, 0)), limit.unit)
    reason = f"{shown(money(wanted), limit.unit)} is more than is left of {limit.words} ({had}){asks}"
    return Verdict(action=limit.then.action, rule=limit.rule, reason=reason)


def _over(line: Line, left: int) -> Verdict:
    return over_budget(line.limit, line.micros, left)


def amount_of(limit: SpendingLimit, args: Mapping[str, Any]) -> int:
    """What a call moves: the sum of what its argument says. What is no amount is more than any budget."""
    found: list[Any] = [args]
    for part in limit.argument.split("."):
        found = [each.get(part) if isinstance(each, Mapping) else None for each in _flat(found)]
    total = 0
    for value in _flat(found):
        try:
            number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number.adjusted() > _DIGITS:
            return _BEYOND  # before it is worked with: 1E+999999 in millionths has a million digits
        total += max(micros(number), 0)  # money that comes back doesn't make room
    return min(total, _BEYOND)


def _flat(values: list[Any]) -> list[Any]:
    return [leaf for value in values for leaf in (value if isinstance(value, list) else [value])]


_DIGITS = 12
"""Digits of an amount, less one, above which it is more than any budget."""
_BEYOND = 10**16
"""Millionths: ten times the largest budget that can be written."""
