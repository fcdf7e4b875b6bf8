"""The local activity `find_effects`: what became of effects whose calls were cut off."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities import ledger
from activities.invoking import as_result
from activities.ledger import LedgerState
from activities.storage.store import Store
from plangate import strictjson
from plangate.errors import ErrorPayload, ErrorType
from plangate.tasks import EffectsFound, EffectsTask

_CUT_OFF = ErrorPayload(type=ErrorType.OUTCOME_UNKNOWN, message="its run or step was cancelled before it had an answer")


class LookingUpActivities:
    """Looks effects up.

    Args:
        store: The project's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name="find_effects")
    async def find_effects(self, task: EffectsTask) -> EffectsFound:
        """Read the ledger; what is only intended becomes unknown, since no further attempt will tell."""

        async def look(conn: AsyncConnection) -> list[LedgerState | None]:
            states = []
            for key in task.keys:
                await ledger.doubt(conn, key, error=_CUT_OFF)
                states.append(await ledger.state_of(conn, key))
            return states

        states = list(enumerate(await self._store.together(look)))
        done = {position: task.keys[position] for position, state in states if state is LedgerState.DONE}
        results = await self._store.load_results(list(done.values()))
        return EffectsFound(
            done={number: as_result(key, strictjson.canonical(results.get(key))) for number, key in done.items()},
            unknown=[position for position, state in states if state is LedgerState.UNKNOWN],
        )
