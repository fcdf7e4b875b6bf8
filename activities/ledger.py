"""The ledger: each effect by its idempotency key, so that it happens once (design, invariant 2).

intended ─▶ done         the effect happened; its result is stored
    │ ────▶ failed       the far side said no, or it can't have happened
    └─────▶ unknown      it may have happened: a person decides
                └─────▶ resolved     it did not happen, says a person: the next attempt is like a first one

**Fencing.** Each attempt that claims a row leaves a token of its own and the moment until which it may send. Only who
holds the token writes how the effect ended. While a `check` tool's attempt may still send, no other one takes the row:
its read-back would find nothing, and the effect would come twice. Moments are the database's, so that no worker's wrong
clock matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import DateTime, Row, Update, bindparam, func, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.statements import insert_into
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.tasks import ToolCall
from plangate.tool_policy import Idempotency

_LEDGER = tables.ledger


class LedgerState(StrEnum):
    """Where an effect stands."""

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    """It did not happen: nothing was sent, or a person says so."""


_OPEN = (LedgerState.INTENDED.value, LedgerState.RESOLVED.value)
_UNTOLD = (LedgerState.INTENDED.value, LedgerState.UNKNOWN.value)
"""States of which the attempt that holds the row may still tell the end."""


@dataclass(frozen=True)
class Entry:
    """An effect as the ledger has it."""

    state: LedgerState
    new: bool
    """Whether this attempt is the first to note it, or the first after one that surely had no effect."""
    error: ErrorPayload | None = None
    mine: bool = False
    """Whether this attempt holds the row now."""
    busy: float = 0.0
    """Seconds for which an earlier attempt may still be under way."""


async def claim(
    conn: AsyncConnection, call: ToolCall, *, digest: str, mode: Idempotency, token: str, seconds: float
) -> Entry:
    """Note that an effect is about to happen, and use up its approval.

    Args:
        conn: A write transaction.
        call: The call.
        digest: SHA-256 of the bound arguments.
        mode: The tool's idempotency mode.
        token: The attempt's own.
        seconds: How long the attempt may still send.

    Raises:
        PlangateError: `IdempotencyConflict` when the key stands for other arguments; `NotApproved` when the approval
            was used by another effect.
    """
    until = _now(conn) + timedelta(seconds=seconds)
    if await _insert(conn, call, digest=digest, mode=mode, token=token, until=until):
        return Entry(LedgerState.INTENDED, new=True, mine=True)
    query = select(_LEDGER, *_read_now(conn)).where(_LEDGER.c.key == call.key).with_for_update()
    row = (await conn.execute(query)).one()
    if row.digest != digest:
        raise PlangateError(
            f"the idempotency key of {call.call} stands in the ledger for other arguments; nothing was done",
            type=ErrorType.IDEMPOTENCY_CONFLICT,
        )
    error = ErrorPayload.model_validate_json(row.error) if row.error else None
    state = LedgerState(row.state)
    if state not in _OPEN:
        return Entry(state, new=False, error=error)
    busy = _busy(row)
    if busy and mode is Idempotency.CHECK:
        return Entry(LedgerState.INTENDED, new=False, busy=busy)
    again = {
        "state": LedgerState.INTENDED.value,
        "attempts": row.attempts + 1,
        "attempt_token": token,
        "lease_until": until,
        "finished_at": None,
    }
    if call.grant is not None:
        again["approval_id"] = call.grant.approval
    await _using_up(conn, update(_LEDGER).where(_LEDGER.c.key == call.key).values(again), call)
    return Entry(LedgerState.INTENDED, new=state is LedgerState.RESOLVED, mine=True, busy=busy)


def _now(conn: AsyncConnection) -> Any:
    """The database's time, as an expression; SQLite runs on this machine, and has this machine's."""
    if conn.dialect.name == "postgresql":
        return func.clock_timestamp(type_=DateTime(timezone=True))
    return datetime.now(UTC)


def _read_now(conn: AsyncConnection) -> list[Any]:
    """The database's time as a column `now`."""
    now = _now(conn)
    return [(literal(now, tables.UtcDateTime) if isinstance(now, datetime) else now).label("now")]


def _busy(row: Row[Any]) -> float:
    return max((row.lease_until - row.now).total_seconds(), 0.0) if row.lease_until else 0.0


async def busy(conn: AsyncConnection, key: str) -> float:
    """Seconds for which an attempt may still be under way."""
    query = select(_LEDGER.c.lease_until, *_read_now(conn)).where(_LEDGER.c.key == key)
    row = (await conn.execute(query)).one_or_none()
    return _busy(row) if row is not None else 0.0


async def state_of(conn: AsyncConnection, key: str) -> LedgerState | None:
    """Where an effect stands; None when it was never begun."""
    found = await conn.scalar(select(_LEDGER.c.state).where(_LEDGER.c.key == key))
    return None if found is None else LedgerState(found)


async def holds(conn: AsyncConnection, key: str, *, token: str) -> bool:
    """Whether an attempt still holds its row, and nobody has said how the effect ended."""
    query = select(_LEDGER.c.key).where(
        _LEDGER.c.key == key, _LEDGER.c.attempt_token == token, _LEDGER.c.state == LedgerState.INTENDED.value
    )
    return await conn.scalar(query) is not None


async def _insert(
    conn: AsyncConnection, call: ToolCall, *, digest: str, mode: Idempotency, token: str, until: Any
) -> bool:
    """Whether the row is new."""
    values = {
        "key": call.key,
        "run": call.run,
        "agent": call.agent,
        "step": call.step,
        "call": call.call,
        "tool": call.tool,
        "tool_version": call.tool_version,
        "mode": mode.value,
        "digest": digest,
        "state": LedgerState.INTENDED.value,
        "approval_id": call.grant.approval if call.grant else None,
        "attempt_token": token,
        "attempts": 1,
        "intended_at": datetime.now(UTC),
    }
    return await _using_up(conn, _new_row(conn.dialect.name).values(lease_until=until), call, values) == 1


@cache
def _new_row(dialect: str) -> Any:
    """Built once: a statement with its values in it would be coerced and hashed for each call."""
    return insert_into(dialect, _LEDGER).on_conflict_do_nothing(index_elements=["key"])


async def _using_up(
    conn: AsyncConnection, statement: Any, call: ToolCall, values: Mapping[str, Any] | None = None
) -> int:
    """Write a row with its approval, which belongs to one row; how many rows were written."""
    try:
        return int((await conn.execute(statement, values)).rowcount)
    except IntegrityError:
        approval = call.grant.approval if call.grant else None
        raise PlangateError(
            f"the approval {approval!r} was used by another call already", type=ErrorType.NOT_APPROVED
        ) from None


async def finish(
    conn: AsyncConnection, key: str, state: LedgerState, *, token: str, error: ErrorPayload | None = None
) -> bool:
    """Note how an effect ended; its result is stored under the same key.

    Returns:
        False when nothing was noted: another attempt holds the row, or somebody else told the end.
    """
    values = {
        "state": state.value,
        "result_key": key if state is LedgerState.DONE else None,
        "error": error.model_dump_json() if error else None,
        "lease_until": None,
        "finished_at": datetime.now(UTC),
    }
    return await _write(conn, key, token, values, _UNTOLD)


async def not_sent(conn: AsyncConnection, key: str, *, token: str) -> bool:
    """Note that an attempt sent nothing, unless another one has begun meanwhile."""
    values = {"state": LedgerState.RESOLVED.value, "lease_until": None}
    return await _write(conn, key, token, values, (LedgerState.INTENDED.value,))


async def release(conn: AsyncConnection, key: str, *, token: str) -> bool:
    """Note that an attempt won't send any more: a successor need not wait."""
    return await _write(conn, key, token, {"lease_until": None}, _UNTOLD)


async def renew(conn: AsyncConnection, key: str, *, token: str, seconds: float) -> bool:
    """Note that an attempt may send for longer; False when it doesn't hold the row any more."""
    statement = _held_row(_UNTOLD).values(lease_until=_now(conn) + timedelta(seconds=seconds))
    return bool((await conn.execute(statement, {"of_key": key, "of_token": token})).rowcount == 1)


async def found(conn: AsyncConnection, key: str) -> bool:
    """Note that an effect was found at the far side, whoever holds its row; False when its end is known already."""
    now = datetime.now(UTC)
    values = {"state": LedgerState.DONE.value, "result_key": key, "lease_until": None, "finished_at": now}
    where = (_LEDGER.c.key == key) & (_LEDGER.c.state == LedgerState.INTENDED.value)
    return bool((await conn.execute(update(_LEDGER).where(where).values(values))).rowcount == 1)


async def doubt(conn: AsyncConnection, key: str, *, error: ErrorPayload) -> None:
    """Leave an effect that is under way to a person, whoever holds its row."""
    values = {"state": LedgerState.UNKNOWN.value, "error": error.model_dump_json(), "finished_at": datetime.now(UTC)}
    where = (_LEDGER.c.key == key) & (_LEDGER.c.state == LedgerState.INTENDED.value)
    await conn.execute(update(_LEDGER).where(where).values(values))


async def _write(conn: AsyncConnection, key: str, token: str, values: dict[str, Any], states: tuple[str, ...]) -> bool:
    row = {**values, "of_key": key, "of_token": token}
    return bool((await conn.execute(_held_row(states), row)).rowcount == 1)


@cache
def _held_row(states: tuple[str, ...]) -> Update:
    """An attempt's own row while it is in one of these states; built once, as `_new_row`."""
    return update(_LEDGER).where(
        _LEDGER.c.key == bindparam("of_key"),
        _LEDGER.c.attempt_token == bindparam("of_token"),
        _LEDGER.c.state.in_(states),
    )


async def fence(conn: AsyncConnection, seconds: float) -> None:
    """Have the database end this transaction if its process falls silent for longer than an attempt may take.

    On PostgreSQL a frozen worker would otherwise hold the row's lock, and could commit when it wakes up.
    """
    if conn.dialect.name == "postgresql":
        limit = str(int(seconds * 1000) + 1000)
        await conn.execute(select(func.set_config("idle_in_transaction_session_timeout", limit, True)))
