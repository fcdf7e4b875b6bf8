"""The local activity `record`: decisions and the end of a run, with its dead letter, into the database."""

from __future__ import annotations

from datetime import UTC, datetime

from opentelemetry import trace
from temporalio import activity

from activities.pacing import Pacing
from activities.storage.store import Store
from plangate.dead_letters import of_failure
from plangate.resuming import compact
from plangate.tasks import RecordTask


class RecordingActivities:
    """Recording.

    Args:
        store: The project's database.
        pacing: Lines that a run which ends waits in no more.
    """

    def __init__(self, store: Store, pacing: Pacing | None = None) -> None:
        self._store, self._pacing = store, pacing

    @activity.defn(name="record")
    async def record(self, task: RecordTask) -> None:
        """Write down what the task says; writing it again changes nothing."""
        letter = None
        if task.state is not None:
            when = task.result.ended_at if task.result is not None and task.result.ended_at else datetime.now(UTC)
            letter = of_failure(task.run, compact(task.state), at=when, trace_id=_trace_id())
        await self._store.record(task, letter=letter)
        if task.result is not None and self._pacing is not None and self._pacing.paces:
            await self._pacing.lines.forget(task.run)


def _trace_id() -> str | None:
    """The trace that this activity belongs to, when tracing is on."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None
