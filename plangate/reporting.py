"""A run for those outside: what the query `status` answers, and what the run ends with."""

from __future__ import annotations

from datetime import datetime

from plangate import summary
from plangate.run_status import RunResult, RunStatus
from plangate.runs import Outcome, RunState


def status_of(state: RunState, run: str) -> RunStatus:
    """Where a run stands."""
    return RunStatus(
        run=run,
        agent=state.request.agent,
        agent_version=state.agent_version,
        user=state.request.user,
        request=state.request.request,
        phase=state.phase,
        outcome=state.outcome,
        goal=state.plan.goal if state.plan else "",
        revision=state.revision,
        steps=summary.reports(state),
        pending=[gate for gate in state.gates.values() if not gate.settled],
        usage=state.usage,
        started_at=state.started_at,
        answer="" if state.plain else state.answer,
        error=state.error,
        events=state.timeline_dropped + len(state.timeline),
        waits=state.waits,
        confidence=state.confidence,
        doubts=state.doubts if state.confidence is not None else [],
    )


def result_of(state: RunState, run: str, *, now: datetime) -> RunResult:
    """What a run ends with."""
    request = state.request
    return RunResult(
        run=run,
        agent=request.agent,
        agent_version=state.agent_version,
        user=request.user,
        session=request.session,
        request=request.request,
        outcome=state.outcome or Outcome.FAILED,
        answer=state.answer,
        summary=summary.in_plain_words(state, ended_at=now),
        gaps=summary.gaps(state),
        steps=summary.reports(state),
        approvals=list(state.gates.values()),
        receipts=state.receipts,
        usage=state.usage,
        revision=state.revision,
        error=state.error,
        compensations=state.compensations,
        started_at=state.started_at,
        ended_at=now,
        verdicts=state.verdicts,
        confidence=state.confidence,
        doubts=state.doubts,
        forecast=state.forecast,
    )
