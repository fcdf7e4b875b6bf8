"""The ledger: each effect by its idempotency key, so that it happens once (design, invariant 2).

intended ─▶ done         the effect happened; its result is stored
    │ ────▶ failed       the far side said no, or it can't have happened
    └─────▶ unknown      it may have happened: a person decides
                └─────▶ resolved     it did not happen, says a person: the next attempt is like a first one
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.statements import insert_into
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.tasks import ToolCall
from plangate.toolkit import Idempotency


class LedgerState(StrEnum):
    """Where an effect stands."""

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    """It did not happen: nothing was sent, or a person says so."""


@dataclass(frozen=True)
class Entry:
    """An effect as the ledger has it."""

    state: LedgerState
    new: bool
    """Whether this attempt is the first to note it, or the first after one that surely had no effect."""
    error: ErrorPayload | None = None
    orphan: bool = False
    """Whether the attempt before this one never said how it ended: it may still be at work."""


async def claim(conn: AsyncConnection, call: ToolCall, *, digest: str, mode: Idempotency, attempt: int) -> Entry:
    """Note that an effect is about to happen, and use up its approval.

    Args:
        conn: A write transaction.
        call: The call.
        digest: SHA-256 of the bound arguments.
        mode: The tool's idempotency mode.
        attempt: The activity's attempt.

    Raises:
        PlangateError: `IdempotencyConflict` when the key stands for other arguments; `NotApproved` when the approval
            was used by another effect.
    """
    table = tables.ledger
    if await _insert(conn, call, digest=digest, mode=mode, attempt=attempt):
        return Entry(LedgerState.INTENDED, new=True)
    row = (await conn.execute(select(table).where(table.c.key == call.key).with_for_update())).one()
    if row.digest != digest:
        raise PlangateError(
            f"the idempotency key of {call.call} stands in the ledger for other arguments; nothing was done",
            type=ErrorType.IDEMPOTENCY_CONFLICT,
        )
    error = ErrorPayload.model_validate_json(row.error) if row.error else None
    state = LedgerState(row.state)
    if state in (LedgerState.INTENDED, LedgerState.RESOLVED):
        again = {"state": LedgerState.INTENDED.value, "attempts": row.attempts + 1, "attempt_token": str(attempt)}
        await conn.execute(update(table).where(table.c.key == call.key).values(again))
    if state is LedgerState.RESOLVED:
        return Entry(LedgerState.INTENDED, new=True)
    orphan = state is LedgerState.INTENDED and row.attempt_token not in ("", str(attempt))
    return Entry(state, new=False, error=error, orphan=orphan)


async def is_current(conn: AsyncConnection, key: str, *, attempt: int) -> bool:
    """Whether no other attempt of an effect has begun since this one did, and nobody has said how it ended."""
    table = tables.ledger
    mine = (table.c.key == key) & (table.c.attempt_token == str(attempt))
    return await conn.scalar(select(table.c.state).where(mine)) == LedgerState.INTENDED.value


async def state_of(conn: AsyncConnection, key: str) -> LedgerState | None:
    """Where an effect stands; None when it was never begun."""
    table = tables.ledger
    found = await conn.scalar(select(table.c.state).where(table.c.key == key))
    return None if found is None else LedgerState(found)


async def _insert(conn: AsyncConnection, call: ToolCall, *, digest: str, mode: Idempotency, attempt: int) -> bool:
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
        "attempt_token": str(attempt),
        "attempts": 1,
        "intended_at": datetime.now(UTC),
    }
    statement = (
        insert_into(conn.dialect.name, tables.ledger).values(values).on_conflict_do_nothing(index_elements=["key"])
    )
    try:
        done = await conn.execute(statement)
    except IntegrityError:
        raise PlangateError(
            f"the approval {values['approval_id']!r} was used by another call already", type=ErrorType.NOT_APPROVED
        ) from None
    return done.rowcount == 1


async def finish(conn: AsyncConnection, key: str, state: LedgerState, *, error: ErrorPayload | None = None) -> None:
    """Note how an effect ended; its result is stored under the same key. What is done stays done."""
    table = tables.ledger
    values = {
        "state": state.value,
        "result_key": key if state is LedgerState.DONE else None,
        "error": error.model_dump_json() if error else None,
        "finished_at": datetime.now(UTC),
    }
    await conn.execute(update(table).where(table.c.key == key, table.c.state != LedgerState.DONE.value).values(values))


async def broke_off(conn: AsyncConnection, key: str, *, attempt: int) -> None:
    """Note that an attempt is over, whatever it did; what another one has begun stays."""
    table = tables.ledger
    mine = (table.c.key == key) & (table.c.attempt_token == str(attempt))
    await conn.execute(update(table).where(mine, table.c.state == LedgerState.INTENDED.value).values(attempt_token=""))


async def not_sent(conn: AsyncConnection, key: str, *, attempt: int) -> None:
    """Note that an attempt sent nothing, unless another one has begun meanwhile."""
    table = tables.ledger
    await conn.execute(
        update(table)
        .where(
            table.c.key == key,
            table.c.state == LedgerState.INTENDED.value,
            table.c.attempt_token == str(attempt),
        )
        .values(state=LedgerState.RESOLVED.value)
    )
