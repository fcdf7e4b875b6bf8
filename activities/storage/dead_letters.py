"""Reading dead letters, and writing what people and the sweeper do about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.ledger import LedgerState
from activities.storage import tables
from activities.storage.statements import RECOVERED_MARK, dead_letter_row, history_json, insert_into
from activities.storage.store import Store
from plangate.approvals import GateStatus
from plangate.carrying import unpack
from plangate.dead_letters import DeadLetter, DeadLetterCause, DeadLetterState, Deed
from plangate.errors import ErrorPayload, ErrorType, InvalidInput, PlangateError
from plangate.runs import Outcome, Phase, RunState

_LETTERS = tables.dead_letters
_AT_ONCE = 500
RECOVERED = "recovered"
"""The deed of a run that was stuck, or reset, and goes on by itself."""


class DeadLetters:
    """The dead letters of a database.

    Args:
        store: The project's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def listed(self, state: DeadLetterState | None = None, *, limit: int = 100) -> list[DeadLetter]:
        """Dead letters, the newest first, without their runs' states."""
        columns = [column for column in _LETTERS.c if column.name != "state_json"]
        query = select(*columns).order_by(_LETTERS.c.failed_at.desc(), _LETTERS.c.run).limit(limit)
        if state is not None:
            query = query.where(_LETTERS.c.state == state.value)
        async with self._store.reading() as connection:
            return [_letter(row) for row in await connection.execute(query)]

    async def get(self, run: str) -> DeadLetter:
        """One dead letter.

        Raises:
            PlangateError: With type `InvalidInput`: there is none of that run.
        """
        async with self._store.reading() as connection:
            return await _get(connection, run)

    async def recorded(self, runs: Sequence[str]) -> set[str]:
        """Which of these runs have a dead letter."""
        found: set[str] = set()
        async with self._store.reading() as connection:
            for start in range(0, len(runs), _AT_ONCE):
                part = runs[start : start + _AT_ONCE]
                rows = await connection.execute(select(_LETTERS.c.run).where(_LETTERS.c.run.in_(part)))
                found |= {row.run for row in rows}
        return found

    async def stuck(self) -> list[str]:
        """Runs whose open dead letter says that they are stuck."""
        query = select(_LETTERS.c.run).where(
            _LETTERS.c.cause == DeadLetterCause.STUCK.value, _LETTERS.c.state == DeadLetterState.OPEN.value
        )
        async with self._store.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def recovered(self) -> set[str]:
        """Runs that went on by themselves, as far as is known."""
        query = select(_LETTERS.c.run, _LETTERS.c.history_json).where(
            _LETTERS.c.state == DeadLetterState.RESUMED.value,
            _LETTERS.c.history_json.contains(RECOVERED_MARK, autoescape=True),
        )
        async with self._store.reading() as connection:
            rows = list(await connection.execute(query))
        last = {row.run: _deeds(row.history_json)[-1:] for row in rows}
        return {run for run, deeds in last.items() if deeds and deeds[0].action == RECOVERED}

    async def reopen(self, letter: DeadLetter) -> int:
        """Open the letter of a run that recovered and is in trouble again; how often it was, with this.

        0 when it doesn't count as recovered any more: somebody was faster.
        """
        async with self._store.transaction() as connection:
            before = await _get(connection, letter.run, lock=True)
            if not _recovered(before):
                return 0
            times = sum(deed.action == RECOVERED for deed in before.history) + 1
            error = letter.error.model_copy(update={"message": f"{letter.error.message} (time {times})"})
            for statement, row in self._store.dead_letter_rows(letter.model_copy(update={"error": error})):
                await connection.execute(statement, row)
            deed = Deed(at=letter.failed_at, action="opened again", detail=f"time {times}")
            await note(connection, before, deed)
        return times

    async def add(self, letter: DeadLetter) -> bool:
        """Write the dead letter of a run that wrote none; a run that is closed ends in the other tables too.

        False when nothing was written, since what is said here is hearsay and may be old: the run, a person or another
        sweeper has said something meanwhile, or the run was reset and came to a good end.
        """
        fresh = insert_into(self._store.dialect, _LETTERS).on_conflict_do_nothing(index_elements=["run"])
        async with self._store.transaction() as connection:
            if await _went_on(connection, letter):
                return False
            if not (await connection.execute(fresh, dead_letter_row(letter))).rowcount:
                before = await _get(connection, letter.run, lock=True)
                stuck = before.cause is DeadLetterCause.STUCK and before.state is DeadLetterState.OPEN
                if letter.cause is DeadLetterCause.STUCK or not (stuck or _recovered(before)):
                    return False
            for statement, row in self._store.dead_letter_rows(letter):
                await connection.execute(statement, row)
            if letter.cause is not DeadLetterCause.STUCK:
                await _end(connection, letter)
        return True

    async def settle(self, run: str, state: DeadLetterState, deed: Deed) -> None:
        """Note what somebody did, and where the letter stands then.

        Raises:
            PlangateError: With type `InvalidInput`: there is no such letter, or it is not open any more.
        """
        async with self._store.transaction() as connection:
            letter = await _get(connection, run, lock=True)
            if letter.state is not DeadLetterState.OPEN:
                raise closed(letter)
            await note(connection, letter, deed, state=state)

    async def close_recovered(
        self, run: str, *, at: datetime, detail: str, cause: DeadLetterCause | None = None
    ) -> bool:
        """Close the open letter of a run that goes on, or went on, by itself; False when there is none.

        Args:
            run: The run.
            at: When it was seen.
            detail: What was seen.
            cause: Only a letter of this cause: the run may have failed, and have said so, since it was looked at.
        """
        open_ = select(_LETTERS.c.run).where(_LETTERS.c.run == run, _LETTERS.c.state == DeadLetterState.OPEN.value)
        async with self._store.reading() as connection:
            if (await connection.execute(open_)).one_or_none() is None:
                return False
        async with self._store.transaction() as connection:
            letter = await _get(connection, run, lock=True)
            if letter.state is not DeadLetterState.OPEN or (cause is not None and letter.cause is not cause):
                return False  # somebody dealt with it meanwhile
            deed = Deed(at=at, action=RECOVERED, detail=detail)
            await note(connection, letter, deed, state=DeadLetterState.RESUMED)
        return True

    async def effects(self, keys: Iterable[str] = (), *, run: str | None = None) -> dict[str, Row[Any]]:
        """Ledger rows by key: of these keys, or of a run."""
        ledger = tables.ledger
        wanted = ledger.c.run == run if run is not None else ledger.c.key.in_(list(keys))
        async with self._store.reading() as connection:
            return {row.key: row for row in await connection.execute(select(ledger).where(wanted))}


async def give_back_approvals(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Give back the approvals of effects that failed for sure: they had no effect, so they weren't used."""
    ledger = tables.ledger
    await connection.execute(
        update(ledger)
        .where(ledger.c.key.in_(keys), ledger.c.state == LedgerState.FAILED.value)
        .values(approval_id=None)
    )


def closed(letter: DeadLetter) -> PlangateError:
    """What to say of a dead letter that somebody dealt with already."""
    last = letter.history[-1] if letter.history else None
    by = f" by {last.by}" if last and last.by else ""
    detail = f" ({last.detail})" if last and last.detail else ""
    return InvalidInput(f"the dead letter of {letter.run!r} was already {letter.state.value}{by}{detail}")


async def note(
    connection: AsyncConnection,
    letter: DeadLetter,
    deed: Deed,
    *,
    state: DeadLetterState | None = None,
    run_state: RunState | None = None,
) -> None:
    """Add to a letter's history within the caller's transaction."""
    values: dict[str, Any] = {"history_json": history_json([*letter.history, deed])}
    if state is not None:
        values["state"] = state.value
    if run_state is not None:
        values["state_json"] = run_state.model_dump_json(exclude_defaults=True)
    await connection.execute(update(_LETTERS).where(_LETTERS.c.run == letter.run).values(values))


async def _get(connection: AsyncConnection, run: str, *, lock: bool = False) -> DeadLetter:
    query = select(_LETTERS).where(_LETTERS.c.run == run)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise PlangateError(f"there is no dead letter of {run!r}", type=ErrorType.INVALID_INPUT)
    return _letter(row)


async def locked(connection: AsyncConnection, run: str) -> DeadLetter:
    """A dead letter, locked for the caller's transaction.

    Raises:
        PlangateError: With type `InvalidInput`: there is none of that run.
    """
    return await _get(connection, run, lock=True)


def _letter(row: Row[Any]) -> DeadLetter:
    stored = getattr(row, "state_json", "")
    return DeadLetter(
        run=row.run,
        agent=row.agent,
        agent_version=row.agent_version,
        user=row.user,
        session=row.session,
        request=row.request,
        state=DeadLetterState(row.state),
        cause=DeadLetterCause(row.cause),
        error=ErrorPayload.model_validate_json(row.error_json),
        trace_id=row.trace_id,
        failed_at=row.failed_at,
        history=_deeds(row.history_json),
        run_state=_whole(stored) if stored else None,
    )


def _deeds(stored: str) -> list[Deed]:
    return [Deed.model_validate(deed) for deed in json.loads(stored)]


def _whole(stored: str) -> RunState:
    state = RunState.model_validate_json(stored)
    unpack(state)
    return state


def _recovered(letter: DeadLetter) -> bool:
    last = letter.history[-1].action if letter.history else ""
    return letter.state is DeadLetterState.RESUMED and last == RECOVERED


async def _went_on(connection: AsyncConnection, letter: DeadLetter) -> bool:
    """Whether the run came to a good end after what the letter tells of."""
    runs = tables.runs
    query = select(runs.c.outcome, runs.c.ended_at).where(runs.c.run == letter.run).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None or row.outcome in (None, Outcome.FAILED.value):
        return False
    return row.ended_at is not None and bool(row.ended_at > letter.failed_at)


async def _end(connection: AsyncConnection, letter: DeadLetter) -> None:
    """End a run by hearsay. A good end that it wrote down just before it was terminated never came to be."""
    runs, approvals = tables.runs, tables.approvals
    ended = {"phase": Phase.ENDED.value, "outcome": Outcome.FAILED.value, "ended_at": letter.failed_at}
    said = func.coalesce(runs.c.summary, letter.error.message)
    of_run = runs.c.run == letter.run
    written = runs.c.outcome.is_not(None) & (runs.c.outcome != Outcome.FAILED.value)
    undone = {"summary": letter.error.message, "result_json": None}
    await connection.execute(update(runs).where(of_run, written).values(**ended, **undone))
    await connection.execute(update(runs).where(of_run, runs.c.outcome.is_(None)).values(**ended, summary=said))
    await connection.execute(
        update(approvals)
        .where(approvals.c.run == letter.run, approvals.c.status == GateStatus.PENDING.value)
        .values(status=GateStatus.WITHDRAWN.value, decided_at=datetime.now(UTC))
    )
