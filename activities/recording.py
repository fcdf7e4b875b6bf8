"""The local activity `record`: decisions and the end of a run, into the database."""

from __future__ import annotations

from temporalio import activity

from activities.storage.store import Store
from plangate.runs import RecordTask


class RecordingActivities:
    """Recording.

    Args:
        store: The project's database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name="record")
    async def record(self, task: RecordTask) -> None:
        """Write down what the task says; writing it again changes nothing."""
        await self._store.record(task)
