"""What a run shows in Temporal: search attributes, the memo for the inbox, and its current details."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from plangate.approvals import ApprovalRequest
    from plangate.runs import Phase, RunState
    from plangate.summary import checklist
    from plangate.temporal import AGENT, COST, MEMO_PENDING, PENDING, STATUS, USER

MANY_GATES = 20
"""Open gates from which on changes of the inbox are shown together."""
SOON = timedelta(seconds=1)
MAX_BRIEF = 400
"""Characters of an argument's value shown in the memo."""


class Presenter:
    """Shows a run's state; each change of what is shown costs at most two history events."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        shown = workflow.info().typed_search_attributes
        self._agent, self._user = shown.get(AGENT), shown.get(USER)
        self._status, self._pending = shown.get(STATUS), shown.get(PENDING)
        self._briefs: list[str] | None = None
        self._later: asyncio.Task[None] | None = None

    def publish(self, details: str | None = None) -> None:
        """Show the state as it is now."""
        state = self._state
        waiting = [gate for gate in state.gates.values() if not gate.settled]
        workflow.set_current_details(details if details is not None else checklist(state))
        ids = [gate.id + gate.status.value for gate in waiting]
        if ids != (self._briefs or []):
            if len(waiting) > MANY_GATES and workflow.patched("inbox-by-and-by"):
                if self._later is None:
                    self._later = asyncio.create_task(self._catch_up())
                return
            self._show(waiting, ids)
        self._attributes(len(waiting))

    def _show(self, waiting: list[ApprovalRequest], ids: list[str]) -> None:
        self._briefs = ids
        workflow.upsert_memo({MEMO_PENDING: [_brief(gate.model_dump(mode="json")) for gate in waiting]})

    async def _catch_up(self) -> None:
        """Show the inbox a moment later: each change names all gates, and a list may open a hundred of them at once."""
        await workflow.sleep(SOON, summary="Show what waits")
        self._later = None
        waiting = [gate for gate in self._state.gates.values() if not gate.settled]
        self._show(waiting, [gate.id + gate.status.value for gate in waiting])
        self._attributes(len(waiting))

    def _attributes(self, pending: int) -> None:
        state = self._state
        status = state.outcome.value if state.outcome else state.phase.value
        if status in (Phase.PLANNING.value, Phase.EXECUTING.value, Phase.ANSWERING.value):
            status = "running"
        updates: list[Any] = []
        if self._agent != state.request.agent and state.request.agent:
            updates.append(AGENT.value_set(state.request.agent[:200]))
        if self._user != state.request.user and state.request.user:
            updates.append(USER.value_set(state.request.user[:200]))
        if pending != (self._pending or 0):
            updates.append(PENDING.value_set(pending))
        shown = self._status in ("running", Phase.ADMITTING.value) and status in ("running", Phase.ADMITTING.value)
        if status != self._status and not shown:
            updates.append(STATUS.value_set(status))
            self._status = status
        if state.outcome is not None:
            updates.append(COST.value_set(round(state.usage.cost_usd, 6)))
        if updates:
            workflow.upsert_search_attributes(updates)
        self._agent, self._user, self._pending = state.request.agent, state.request.user, pending


def _brief(gate: dict[str, Any]) -> dict[str, Any]:
    args = {
        name: value if len(str(value)) <= MAX_BRIEF else f"{str(value)[:MAX_BRIEF]}…"
        for name, value in gate["args"].items()
    }
    told = [each for each in gate["provenance"] if each["rule"] or any(not one["trusted"] for one in each["sources"])]
    return {**gate, "args": args, "provenance": told}
