"""The local activity `free_places`: calls that no longer wait for their turn make room for others."""

from __future__ import annotations

from temporalio import activity

from activities.pacing import Pacing
from plangate.tasks import FreeTask


class FreeingActivities:
    """Freeing of places.

    Args:
        pacing: The lines.
    """

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing

    @activity.defn(name="free_places")
    async def free_places(self, task: FreeTask) -> None:
        """Take calls of a run out of their lines; once more changes nothing."""
        await self._pacing.lines.forget(task.run, task.keys)
