"""What the ledger is told of a consequential call: that it begins, and how it ended.

Only the attempt that holds the ledger's row says how the effect ended. What an attempt's fault says of it:

fault of the attempt                         first to send       an earlier one may have taken effect
nothing was sent, or its time was over       did not happen      still open; unknown after the last attempt
the far side's clear no                      failed              failed if the mode makes it sure, else unknown
no answer                                    still open; unknown after the last attempt
an answer that can't be used, a defect       unknown
"""

from __future__ import annotations

import uuid

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from activities import faults, ledger
from activities.checked import AlreadyFailed, Checked
from activities.claims import Claimed
from activities.doubts import CommitUnclear, rolled_back
from activities.fencing import GaveUp, Held, Replaced, StillRunning
from activities.ledger import Entry, LedgerState
from activities.outliving import Outliving, names_of
from activities.spending import Spending
from activities.storage.store import Store
from plangate import strictjson
from plangate.errors import ErrorKind, ErrorPayload, ErrorType, PlangateError
from plangate.tool_policy import Idempotency

_NOT_SENT = frozenset({ErrorType.NETWORK, ErrorType.RATE_LIMITED})
"""Faults of attempts that had no effect; an earlier attempt may have had one."""
_UNCLEAR = frozenset(
    {
        ErrorType.OUTCOME_UNKNOWN,
        ErrorType.INVALID_RESULT,
        ErrorType.RESULT_TOO_LARGE,
        ErrorType.CANCELLED,
        ErrorType.BUG,
    }
)
"""Faults that may come after the effect, and that another attempt doesn't mend."""
log = structlog.get_logger("plangate.ledger")


class Outcomes:
    """Tells the ledger of attempts.

    Args:
        store: The project's database.
        spending: The budgets, of which a call reserves in the transaction that claims its row.
    """

    def __init__(self, store: Store, spending: Spending) -> None:
        self._store, self._spending = store, spending
        self._outliving = Outliving(store)

    async def claim(self, checked: Checked) -> Claimed:
        """Take a row for an attempt, in a transaction of its own.

        Raises:
            GaveUp: The attempt's time is over.
            Held: An earlier attempt of a `check` tool may still be sending.
            OverBudget: A budget has no room for it.
            AlreadyFailed: The effect failed for sure in an earlier attempt.
            PlangateError: Its outcome is unknown, or the call may not be made.
        """
        token = uuid.uuid4().hex
        checked.window.check()
        entry = await self._store.together(lambda conn: self._take(conn, checked, token))
        return await self._judged(checked, token, entry)

    async def claim_within(self, conn: AsyncConnection, checked: Checked) -> Claimed:
        """Take a row in the transaction of the effect itself; raises as `claim`."""
        token = uuid.uuid4().hex
        checked.window.check()
        await ledger.fence(conn, checked.window.left)
        return await self._judged(checked, token, await self._take(conn, checked, token))

    async def _take(self, conn: AsyncConnection, checked: Checked, token: str) -> Entry:
        mode, seconds = checked.tool.settings.idempotency, checked.window.left
        entry = await ledger.claim(conn, checked.call, digest=checked.digest, mode=mode, token=token, seconds=seconds)
        if entry.new:
            await self._spending.reserve(conn, checked.call.key, checked.lines)
        return entry

    async def _judged(self, checked: Checked, token: str, entry: Entry) -> Claimed:
        if entry.state is LedgerState.DONE:
            return Claimed(token, entry, await self._result(checked))
        if entry.state is LedgerState.FAILED:
            raise AlreadyFailed(entry.error or ErrorPayload(message="it failed in an earlier attempt"))
        if entry.state is LedgerState.UNKNOWN:
            raise PlangateError("its outcome is unknown; a person decides", type=ErrorType.OUTCOME_UNKNOWN)
        if not entry.mine:
            raise Held(entry.busy)
        return Claimed(token, entry)

    async def _result(self, checked: Checked) -> str:
        found = await self._store.load_results([checked.call.key])
        if checked.call.key not in found:
            raise PlangateError(
                "it was done, but its stored result is not in the database (was it cleaned up?)",
                type=ErrorType.UNRESOLVED_REFERENCE,
            )
        return strictjson.canonical(found[checked.call.key])

    async def still_mine(self, checked: Checked, claimed: Claimed) -> None:
        """The last look before an effect that an earlier attempt may have had already.

        Raises:
            Replaced: Another attempt holds the row, or somebody told the end.
            GaveUp: The attempt's time is over.
        """
        async with self._store.reading() as conn:
            if not await ledger.holds(conn, checked.call.key, token=claimed.token):
                raise Replaced
        checked.window.check()

    async def keep(self, conn: AsyncConnection, checked: Checked, claimed: Claimed, text: str) -> bool:
        """Write down that the effect happened, with its result; False when the row is another attempt's."""
        call = checked.call
        if not await ledger.finish(conn, call.key, LedgerState.DONE, token=claimed.token):
            return False
        await self._store.save_result(conn, key=call.key, run=call.run, step=call.step, call=call.call, value_json=text)
        return True

    async def happened(self, checked: Checked, claimed: Claimed, text: str) -> str:
        """The effect happened: its result as the ledger has it.

        Raises:
            Replaced: Another attempt has the row. When it may have had the effect too, a person is asked.
        """
        if await self._store.together(lambda conn: self.keep(conn, checked, claimed, text)):
            return text
        async with self._store.reading() as conn:
            state = await ledger.state_of(conn, checked.call.key)
        log.error("an attempt took effect after it was replaced", **names_of(checked), state=state)
        if state is LedgerState.DONE:
            return await self._result(checked)
        if checked.tool.settings.idempotency is Idempotency.CHECK:
            twice = PlangateError(
                "two attempts overlapped, and both may have taken effect", type=ErrorType.OUTCOME_UNKNOWN
            )
            error = self._payload(checked, twice)
            await self._store.together(lambda conn: ledger.doubt(conn, checked.call.key, error=error))
        raise Replaced

    async def found(self, checked: Checked, text: str) -> str:
        """The far side says that an earlier attempt's effect happened, while that attempt may not even know it.

        Raises:
            Replaced: Somebody said meanwhile how it ended.
        """
        call = checked.call

        async def note(conn: AsyncConnection) -> bool:
            if not await ledger.found(conn, call.key):
                return False
            await self._store.save_result(
                conn, key=call.key, run=call.run, step=call.step, call=call.call, value_json=text
            )
            return True

        if await self._store.together(note):
            return text
        async with self._store.reading() as conn:
            if await ledger.state_of(conn, call.key) is not LedgerState.DONE:
                raise Replaced
        return await self._result(checked)

    async def committed(self, checked: Checked, text: str, error: Exception) -> str:
        """After a commit that wasn't acknowledged: the result, if the ledger has it.

        Raises:
            CommitUnclear: It hasn't, or not yet. The next attempt, which has to get at the row, knows.
            Exception: The error itself, when it says that nothing was committed.
        """
        try:
            async with self._store.reading() as conn:
                state = await ledger.state_of(conn, checked.call.key)
        except Exception:  # noqa: BLE001 - then nobody can tell
            state = None
        if state is LedgerState.DONE:
            return text
        if rolled_back(error):
            raise error
        raise CommitUnclear(error) from error

    async def failed_within(self, conn: AsyncConnection, checked: Checked, claimed: Claimed, error: Exception) -> None:
        """The far side said no, in the transaction of the effect that was rolled back."""
        payload = self._payload(checked, error)
        await ledger.finish(conn, checked.call.key, LedgerState.FAILED, token=claimed.token, error=payload)
        await self._spending.give_back(conn, checked.call.key)

    async def failed(self, checked: Checked, claimed: Claimed, error: Exception, *, looked: bool = False) -> Exception:
        """What an attempt's fault says of the effect; returns what to raise.

        Args:
            checked: The call.
            claimed: The attempt's hold of the row.
            error: How the attempt ended.
            looked: The read-back said just before that no earlier attempt took effect.
        """
        if isinstance(error, Replaced):
            return error
        type_ = faults.classify(error)[0]
        if isinstance(error, StillRunning):
            self._outliving.watch(checked, claimed, error.thread, self.happened)
        unsent = type_ in _NOT_SENT or isinstance(error, GaveUp)
        if type_.kind is not ErrorKind.TRANSIENT:
            return await self._answered(checked, claimed, error, type_)
        if unsent and (claimed.first or (looked and checked.last and type_ in _NOT_SENT)):
            await self._store.together(lambda conn: self._not_sent(conn, checked, claimed))
        elif checked.last:
            unknown = error
            if unsent:
                message = f"an earlier attempt may have taken effect; the last one sent nothing: {error}"
                unknown = PlangateError(message, type=ErrorType.OUTCOME_UNKNOWN)
            await self._finish(checked, claimed, LedgerState.UNKNOWN, unknown)
            return unknown
        elif not isinstance(error, StillRunning):
            await self._store.together(lambda conn: ledger.release(conn, checked.call.key, token=claimed.token))
        return error

    async def _answered(self, checked: Checked, claimed: Claimed, error: Exception, type_: ErrorType) -> Exception:
        """The attempt ended for good."""
        if type_ is ErrorType.OUTCOME_UNKNOWN or type_ is ErrorType.BUG:
            await self._finish(checked, claimed, LedgerState.UNKNOWN, error)
            return error
        if type_ in _UNCLEAR:
            return await self.unclear(checked, claimed, error)
        mode = checked.tool.settings.idempotency
        if claimed.first or mode is Idempotency.CHECK:  # a `check` tool's read-back has said that it did not happen
            await self._finish(checked, claimed, LedgerState.FAILED, error)
            return error
        if mode is Idempotency.KEY and type_ is ErrorType.BUSINESS:
            if claimed.entry.busy:  # the earlier attempt's request may come after this one's
                await self._store.together(lambda conn: ledger.release(conn, checked.call.key, token=claimed.token))
                return Held(claimed.entry.busy)
            await self._finish(checked, claimed, LedgerState.FAILED, error)
            return error
        # For example a refused credential: it says nothing of the attempt before, which may have been let in.
        unknown = PlangateError(
            f"an earlier attempt may have taken effect, and this one was refused: {error}",
            type=ErrorType.OUTCOME_UNKNOWN,
        )
        await self._finish(checked, claimed, LedgerState.UNKNOWN, unknown)
        return unknown

    async def unclear(self, checked: Checked, claimed: Claimed, error: Exception) -> PlangateError:
        """The call was made, and its answer can't be used: no fallback and no revised plan may make it again."""
        _, said, _ = faults.classify(error)
        details = error.details if isinstance(error, PlangateError) else []
        unknown = PlangateError(f"the call was made, but {said}", type=ErrorType.OUTCOME_UNKNOWN, details=details)
        await self._finish(checked, claimed, LedgerState.UNKNOWN, unknown)
        return unknown

    async def _not_sent(self, conn: AsyncConnection, checked: Checked, claimed: Claimed) -> None:
        if await ledger.not_sent(conn, checked.call.key, token=claimed.token):
            await self._spending.give_back(conn, checked.call.key)

    async def _finish(self, checked: Checked, claimed: Claimed, state: LedgerState, error: Exception) -> None:
        key, payload = checked.call.key, self._payload(checked, error)

        async def note(conn: AsyncConnection) -> None:
            if await ledger.finish(conn, key, state, token=claimed.token, error=payload):
                await self._spending.give_back(conn, key)

        await self._store.together(note)

    def _payload(self, checked: Checked, error: Exception) -> ErrorPayload:
        return faults.payload(error, tool=checked.tool.name, step=checked.call.step, attempt=checked.attempt)

    # --- threads that outlive their limit ---
