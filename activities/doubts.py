"""What a failed attempt of a consequential call leaves open: whether this one, or one before it, took effect.

An attempt may fail before it gets at its ledger row: the database is away, the agent was changed and its approval holds
no more, a budget is used up by now. Its fault says nothing of the attempts before it, and it may be the last one: by
number, by total time, or because it is permanent. So each failure carries along what the ledger says.
"""

from __future__ import annotations

import contextlib

from activities import ledger
from activities.ledger import LedgerState
from activities.storage.store import Store
from plangate.errors import ErrorKind, ErrorPayload, ErrorType, PlangateError

_OPEN = frozenset({LedgerState.INTENDED, LedgerState.UNKNOWN, LedgerState.DONE})
"""States of an effect that has, or may have, happened."""

_SAID = frozenset({ErrorType.OUTCOME_UNKNOWN, ErrorType.IDEMPOTENCY_CONFLICT})
"""Types that need no weighing. With a conflict the ledger's row is of another effect."""


class CommitUnclear(PlangateError):
    """The transaction of an effect may have been committed: the database didn't say."""

    def __init__(self, error: Exception) -> None:
        said = getattr(error, "orig", None) or error  # the database's words, without the library's around them
        super().__init__(f"the database did not say whether it was committed: {said}", type=ErrorType.UNAVAILABLE)


def rolled_back(error: Exception) -> bool:
    """Whether a failed commit says that nothing was committed: SQLite couldn't write it for want of room."""
    return getattr(getattr(error, "orig", None), "sqlite_errorname", "") == "SQLITE_FULL"


async def weighed(store: Store, key: str, error: BaseException, payload: ErrorPayload) -> ErrorPayload:
    """A failed attempt's payload, with what the ledger says of the effect.

    Args:
        store: The project's database.
        key: The call's.
        error: What the attempt failed with.
        payload: The same for history.

    Returns:
        `unsure` for a fault that is tried again; `OutcomeUnknown` for one that isn't.
    """
    if payload.type in _SAID:
        return payload
    if isinstance(error, CommitUnclear):
        return payload.model_copy(update={"unsure": True})
    try:
        async with store.reading() as conn:
            state = await ledger.state_of(conn, key)
    except Exception:  # noqa: BLE001 - nobody can tell
        return payload.model_copy(update={"unsure": True})
    if state not in _OPEN:
        return payload
    if payload.type.kind in (ErrorKind.TRANSIENT, ErrorKind.BUG):
        return payload.model_copy(update={"unsure": True})
    took = "it took effect" if state is LedgerState.DONE else "an earlier attempt may have taken effect"
    message = f"{took}, and then: {payload.message}"
    unknown = payload.model_copy(update={"type": ErrorType.OUTCOME_UNKNOWN, "message": message})
    with contextlib.suppress(Exception):  # the run's dead letter says it too
        await store.together(lambda conn: ledger.doubt(conn, key, error=unknown))
    return unknown
