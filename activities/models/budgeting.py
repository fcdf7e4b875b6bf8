"""Budgets of what models cost: reserved before a call by what it can cost at most, settled with what it did cost.

A token is at least one byte, so a prompt has no more tokens than bytes; the answer has no more than the call allows.
When that doesn't fit into what is left, the answer is allowed fewer tokens, down to what is still of use.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.exceptions import ApplicationError

from activities.catalogue import Catalogue
from activities.models.contracts import ModelCall
from activities.models.prices import rates
from activities.models.settings import ModelAccessSettings
from activities.spending import Spending, over_budget
from activities.storage import budgets
from activities.storage.budgets import Line, Refused
from activities.storage.store import Store, UsageRow
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.policy import Action, Verdict
from plangate.spending import MODELS, TOKENS, Beyond, Per, SpendingLimit, micros
from plangate.strictjson import canonical

LEAST_OUTPUT = {"plan": 1000, "revise": 1000}
"""Tokens of an answer below which it isn't worth asking, by task."""
LEAST = 300
_FRAME = 200
"""Tokens that an API adds around messages, at most."""
_MAY_HAVE_COST = frozenset(
    {
        ErrorType.TIMEOUT,
        ErrorType.NETWORK,
        ErrorType.CANCELLED,
        ErrorType.MODEL_MALFORMED,
        ErrorType.MODEL_EMPTY,
        ErrorType.MODEL_REFUSED,
    }
)
"""Faults after which nobody knows whether the call is billed: what was reserved counts as spent."""
_WHEN = {
    Per.RUN: ("for one request", "Please ask for less at once"),
    Per.SESSION: ("for this conversation", "Please begin a new one"),
    Per.USER_DAY: ("for you today", "Please ask again tomorrow"),
    Per.USER_MONTH: ("for you this month", "Please ask again next month"),
    Per.DAY: ("today", "Please ask again tomorrow"),
    Per.MONTH: ("this month", "Please ask again next month"),
}


class BudgetUsedUp(ApplicationError):
    """A budget has no room for a call of a model; it wasn't made.

    Args:
        limit: The budget.
        detail: For the operator.
    """

    def __init__(self, limit: SpendingLimit, detail: str) -> None:
        payload = ErrorPayload(type=ErrorType.LIMIT_REACHED, message=detail, attempted="model")
        super().__init__(detail, payload, type=ErrorType.LIMIT_REACHED.value, non_retryable=True)
        self.limit = limit
        when, instead = _WHEN[limit.per]
        self.words = f"I have used up what I may spend {when}, so I can't work on this. {instead}, or ask for a person."
        """For the person who asked."""
        self.verdict = Verdict(action=Action.BLOCK, rule=limit.rule, reason=detail)

    @property
    def hands_over(self) -> bool:
        """Whether a person takes over."""
        return self.limit.then is Beyond.HAND_OVER


_Work = Callable[[AsyncConnection], Awaitable[dict[str, int]]]


@dataclass(frozen=True)
class Hold:
    """What one call has reserved."""

    key: str
    output_tokens: int
    """That its answer may have."""
    adopted: frozenset[str] = frozenset()
    """Accounts in which an earlier attempt had reserved it, and nobody knows what that one cost."""
    accounts: frozenset[str] = frozenset()
    """Where this attempt counts: after midnight not where an earlier one did."""


class ModelBudgets:
    """The budgets for models of a worker's agents.

    Args:
        store: The project's database.
        spending: All budgets.
        catalogue: The agents.
    """

    def __init__(self, store: Store, spending: Spending, catalogue: Catalogue) -> None:
        self._store, self._spending, self._catalogue = store, spending, catalogue

    async def hold(self, call: ModelCall, settings: ModelAccessSettings) -> Hold | None:
        """Reserve what a call can cost at most; None when there is no budget.

        Raises:
            BudgetUsedUp: There is no room for it.
        """
        purpose = call.purpose
        agent = self._catalogue.agents.get(purpose.agent)
        if agent is None:
            return None
        limits = await self._spending.limits(agent, of=MODELS, user=purpose.user, session=purpose.session)
        if not limits:
            return None
        price = rates(call.model, settings.prices)
        unpriced = next((limit for limit in limits if limit.unit != TOKENS), None) if price is None else None
        if unpriced is not None:
            detail = (
                f"the price of the model {call.model!r} isn't known, so {unpriced.words} can't be kept: "
                "set PLANGATE_MODEL_PRICES, or count the budget in tokens"
            )
            raise BudgetUsedUp(unpriced, detail)
        return await self._reserve(call, limits, price or (0.0, 0.0), settings.output_tokens)

    async def _reserve(
        self, call: ModelCall, limits: Sequence[SpendingLimit], price: tuple[float, float], most: int
    ) -> Hold:
        into = prompt_bytes(call) + _FRAME
        least = min(LEAST_OUTPUT.get(call.purpose.task, LEAST), most)
        out = most
        while True:
            try:
                lines = self._lines(call, limits, _Cost(into, out, price))
                before = await self._store.together(self._work(call, lines))
                held = [Refused(line.limit, before[line.account]) for line in lines if line.account in before]
                fits = min((_Cost(into, out, price).output_within(each) for each in held), default=out)
                mine = frozenset(line.account for line in lines)
                return Hold(call.purpose.budget_key, max(min(out, fits), least), frozenset(before), mine)
            except _NoRoom as no_room:
                refused = no_room.refused
                fits = _Cost(into, out, price).output_within(refused)
                if fits < least or out == least:
                    wanted = _Cost(into, least, price).micros(refused.limit.unit)
                    verdict = over_budget(refused.limit, wanted, refused.left)
                    raise BudgetUsedUp(refused.limit, verdict.reason) from None
                out = max(min(fits, out * 3 // 4), least)

    def _lines(self, call: ModelCall, limits: Sequence[SpendingLimit], cost: _Cost) -> list[Line]:
        purpose, now = call.purpose, self._spending.now()
        return [
            Line(
                account=limit.account(
                    run=purpose.run, agent=purpose.agent, user=purpose.user, session=purpose.session, at=now
                ),
                limit=limit,
                micros=cost.micros(limit.unit),
                agent=purpose.agent,
                run=purpose.run,
                user=purpose.user,
                session=purpose.session,
            )
            for limit in limits
        ]

    def _work(self, call: ModelCall, lines: Sequence[Line]) -> _Work:
        key, now = call.purpose.budget_key, self._spending.now()

        async def work(conn: AsyncConnection) -> dict[str, int]:
            """What an earlier attempt holds: millionths by account."""
            held = await budgets.holds(conn, key)
            refused = await budgets.reserve(conn, key, lines, now=now)
            if refused is not None:
                raise _NoRoom(refused)
            return held

        return work

    async def settle(self, hold: Hold, row: UsageRow, *, tokens_known: bool) -> None:
        """Write a call's usage down, and give back what it reserved and didn't spend, in one transaction."""
        cost = None if row.cost_usd is None else micros(row.cost_usd)
        tokens = micros(row.input_tokens + row.output_tokens) if tokens_known else None

        async def work(conn: AsyncConnection) -> None:
            await self._store.save_usage(conn, row)
            await budgets.settle(conn, hold.key, {"USD": cost, TOKENS: tokens}, kept=hold.adopted, now=hold.accounts)

        await self._store.together(work)

    async def failed(self, hold: Hold, type: ErrorType) -> None:
        """Give back what this attempt reserved after a fault that surely cost nothing; else the next one has it."""
        if type not in _MAY_HAVE_COST and not hold.accounts <= hold.adopted:
            await self._store.together(lambda conn: budgets.release(conn, hold.key, kept=hold.adopted))


class _NoRoom(PlangateError):
    def __init__(self, refused: Refused) -> None:
        super().__init__("a budget is used up", type=ErrorType.LIMIT_REACHED)
        self.refused = refused


@dataclass(frozen=True)
class _Cost:
    """What a call costs at most."""

    into: int
    out: int
    price: tuple[float, float]

    def micros(self, unit: str) -> int:
        if unit == TOKENS:
            return micros(self.into + self.out)
        return micros(f"{self.into * self.price[0] + self.out * self.price[1]:.9f}")

    def output_within(self, refused: Refused) -> int:
        """Tokens of an answer for which there would have been room."""
        room = refused.left - _Cost(self.into, 0, self.price).micros(refused.limit.unit)
        each = 1_000_000.0 if refused.limit.unit == TOKENS else self.price[1] * 1_000_000
        return int(room / each) if room > 0 and each > 0 else 0


def prompt_bytes(call: ModelCall) -> int:
    """UTF-8 bytes of everything that is sent, which is more than its tokens."""
    texts = [call.instructions, *(message.text for message in call.messages)]
    schema = canonical(dict(call.schema.schema)) if call.schema is not None else ""
    return sum(len(text.encode("utf-8", "replace")) for text in [*texts, schema])
