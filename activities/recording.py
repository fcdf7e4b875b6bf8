"""The local activity `record`: decisions and the end of a run, with its dead letter, into the database.

It also notices runs and days that are dearer than usual, since it is the last to hear of a run's cost.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from opentelemetry import trace
from temporalio import activity

from activities.alerting import CostAlerts
from activities.pacing import Pacing
from activities.storage.dead_letters import DeadLetters
from activities.storage.store import Store
from plangate.alerts import with_alerts
from plangate.dead_letters import of_failure
from plangate.resuming import compact
from plangate.run_status import RunResult
from plangate.tasks import Recorded, RecordTask

log = structlog.get_logger("plangate.cost")


class RecordingActivities:
    """Recording.

    Args:
        store: The project's database.
        pacing: Lines that a run which ends waits in no more.
        alerts: What is dearer than usual; none by default.
    """

    def __init__(self, store: Store, pacing: Pacing | None = None, alerts: CostAlerts | None = None) -> None:
        self._store, self._pacing, self._alerts = store, pacing, alerts
        self._letters = DeadLetters(store)

    @activity.defn(name="record")
    async def record(self, task: RecordTask) -> Recorded:
        """Write down what the task says; writing it again changes nothing."""
        letter, said = None, await self._dear(task.result)
        if task.result is not None and said:
            summary = with_alerts(task.result.summary, said)
            task = task.model_copy(update={"result": task.result.model_copy(update={"summary": summary})})
        if task.state is not None:
            when = task.result.ended_at if task.result is not None and task.result.ended_at else datetime.now(UTC)
            letter = of_failure(task.run, compact(task.state), at=when, trace_id=_trace_id())
        await self._store.record(task, letter=letter)
        if task.result is not None and letter is None:
            ended = task.result.ended_at or datetime.now(UTC)
            await self._letters.close_recovered(task.run, at=ended, detail=f"it ended: {task.result.outcome.value}")
        if task.result is not None and self._pacing is not None and self._pacing.paces:
            await self._pacing.lines.forget(task.run)
        return Recorded(alerts=said)

    async def _dear(self, result: RunResult | None) -> list[str]:
        """What there is to say of a run's cost; a fault here never keeps its end from being written down."""
        if result is None or self._alerts is None:
            return []
        try:
            return await self._alerts.judge(result)
        except Exception:
            log.exception("cost alerts failed", run=result.run)
            return []


def _trace_id() -> str | None:
    """The trace that this activity belongs to, when tracing is on."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None
