"""An effect whose outcome nobody knows: a person says that it is done, not done, or to be done again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.catalogue import Catalogue
from activities.ledger import LedgerState, busy
from activities.storage import tables
from activities.storage.budgets import release
from activities.storage.dead_letters import closed, locked, note
from activities.storage.store import Store
from plangate.approvals import ReceiptStatus
from plangate.dead_letters import DeadLetterState, Deed
from plangate.errors import InvalidInput
from plangate.keys import approval_id
from plangate.resuming import OpenCall, open_calls
from plangate.runs import RunState
from plangate.strictjson import canonical
from workers.dead_letters.outlook import UNSURE


class Answer(StrEnum):
    """What a person says of an effect."""

    DONE = "done"
    """It happened; its result is what the person gives."""
    NOT_DONE = "not done"
    """It did not happen: the call is made, with the same key."""
    REDO = "redo"
    """Whatever happened, do it (again): the call is made with a new key, and approved anew."""


@dataclass(frozen=True)
class Resolution:
    """A person's answer."""

    call: str
    answer: Answer
    by: str
    reason: str
    result: Any = None
    """With `done`: what the tool would have returned."""


async def resolve(store: Store, catalogue: Catalogue, run: str, given: Resolution, *, namespace: str) -> None:
    """Write the answer down: as a decision, in the ledger, and in the letter's history, in one transaction.

    Raises:
        PlangateError: There is no such letter or call, its outcome is known, or the result isn't what the tool returns.
    """
    async with store.transaction() as connection:
        letter = await locked(connection, run)
        if letter.state is not DeadLetterState.OPEN:
            raise closed(letter)
        state = letter.run_state
        call = _find(state, given.call, namespace=namespace)
        assert state is not None
        row = await _row(connection, call)
        if given.answer is not Answer.DONE:
            await _refuse_while_busy(connection, call)
        at = datetime.now(UTC)
        if given.answer is Answer.DONE:
            text = _result_text(catalogue, state, call, given.result)
            await store.save_result(
                connection, key=call.key, run=row.run, step=row.step, call=call.call, value_json=text
            )
        elif given.answer is Answer.REDO:
            _raise_generation(state, call)
        done = given.answer is Answer.DONE
        ledger = tables.ledger
        await connection.execute(
            update(ledger)
            .where(ledger.c.key == call.key)
            .values(
                state=(LedgerState.DONE if done else LedgerState.RESOLVED).value,
                result_key=call.key if done else None,
                finished_at=at,
            )
        )
        if given.answer is Answer.NOT_DONE:
            await release(connection, call.key)  # nothing was spent; what may have been, before a redo, stays spent
        await connection.execute(tables.decisions.insert().values(_decision(run, given, row, at)))
        deed = Deed(
            at=at, action="resolved", by=given.by, reason=given.reason, detail=f"{call.call}: {given.answer.value}"
        )
        await note(connection, letter, deed, run_state=state)


def _find(state: RunState | None, name: str, *, namespace: str) -> OpenCall:
    calls = {call.call: call for call in open_calls(state, namespace=namespace)} if state is not None else {}
    if name not in calls:
        raise InvalidInput(
            f"there is no call {name!r} in this run that waits for an answer",
            details=[f"its calls: {', '.join(calls) or 'none'}"],
        )
    return calls[name]


async def _row(connection: AsyncConnection, call: OpenCall) -> Row[Any]:
    ledger = tables.ledger
    query = select(ledger).where(ledger.c.key == call.key).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise InvalidInput(f"{call.call!r} was never begun: resuming makes it, there is nothing to resolve")
    if row.state not in UNSURE:
        raise InvalidInput(f"the outcome of {call.call!r} is known ({row.state}); nothing was changed")
    return row


async def _refuse_while_busy(connection: AsyncConnection, call: OpenCall) -> None:
    """What an attempt may still do, nobody can say that it wasn't done."""
    seconds = await busy(connection, call.key)
    if seconds:
        raise InvalidInput(
            f"an attempt of {call.call!r} may still be under way for {seconds:.0f} s; nothing was changed",
            details=["look again then; if it did take effect, say --done"],
        )


def _result_text(catalogue: Catalogue, state: RunState, call: OpenCall, value: Any) -> str:
    """The result as the tool would have returned it; null is taken for "not known"."""
    if value is None:
        return "null"
    tool = catalogue.get(state.request.agent).tool(call.tool)
    try:
        tool.returns.validate_python(value)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'result'}: {e['msg']}" for e in error.errors(include_url=False)]
        raise InvalidInput(f"the result is not what {call.tool} returns; nothing was changed", details=lines) from None
    return canonical(value)


def _raise_generation(state: RunState, call: OpenCall) -> None:
    state.generations[call.call] = state.generations.get(call.call, 0) + 1
    state.gates.pop(call.call, None)
    for known in state.steps[call.step].calls:
        if known.id == call.call:
            known.gate = None


def _decision(run: str, given: Resolution, row: Row[Any], at: datetime) -> dict[str, Any]:
    text = "\x1f".join([run, given.call, row.key, given.answer.value, at.isoformat()])
    return {
        "approval": approval_id(run, given.call),
        "run": run,
        "action": given.answer.value,
        "by": given.by,
        "reason": given.reason,
        "digest": row.digest,
        "status": ReceiptStatus.APPLIED.value,
        "message": f"outcome of {given.call}: {given.answer.value}",
        "at": at,
        "dedupe": hashlib.sha256(text.encode()).hexdigest(),
    }
