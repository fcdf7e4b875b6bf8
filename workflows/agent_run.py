"""`AgentRun`: one request handled by one agent.

    admit ─▶ plan ─▶ steps (DAG, gates) ─▶ respond ─▶ record
               ▲         │
               └─ revise ┘

Start it by name with one JSON object: `{"agent": "support", "request": "Where is my order 1042?"}`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows import activities
from workflows.answering import answer, judge_plain
from workflows.compensation import compensate
from workflows.cutting_off import run_cancelled, undoing_unclear
from workflows.ending import RunEnds
from workflows.execution import Execution
from workflows.incoming import read_decision, read_input, who
from workflows.planning import Planning
from workflows.preflighting import preflight
from workflows.presenting import Presenter

with workflow.unsafe.imports_passed_through():
    from plangate.alerts import with_alerts
    from plangate.approvals import ApprovalDecision, ApprovalRequest, DecisionAction, Receipt
    from plangate.carrying import loosen, pack
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.plain_answers import plain_answer
    from plangate.plans import Plan
    from plangate.policy import Action
    from plangate.reaching import WORDS, Stop
    from plangate.reporting import result_of, status_of
    from plangate.run_status import RunResult, RunStatus
    from plangate.runs import WORKFLOW, Event, Outcome, Phase, RunRequest, RunState
    from plangate.tasks import RecordTask

MAX_EVENTS = 300
"""Events of the timeline kept at most."""


@workflow.defn(name=WORKFLOW)
class AgentRun:
    """One run of an agent. See the module."""

    @workflow.init
    def __init__(self, *inputs: Any) -> None:
        """Make the state, or take it over after continue-as-new.

        Takes whatever it is started with: a typed parameter that doesn't decode would fail the workflow task again and
        again instead of the run.
        """
        input, self._wrong = read_input(inputs)
        self.state = input.carried or RunState(
            request=RunRequest.model_validate(input.model_dump(exclude={"carried"})),
            started_at=workflow.now(),
            effect_identity=workflow.info().workflow_id,
        )
        loosen(self.state)
        self.turn = asyncio.Lock()
        """Held by the local activity that is under way."""
        if self._wrong is not None:
            self.state.phase, self.state.outcome = Phase.ENDED, Outcome.FAILED
            self.state.error = ErrorPayload(type=ErrorType.INVALID_INPUT, message=self._wrong, next="the run ends")
        self.presenter = Presenter(self.state)
        self.execution = Execution(self.state, self._note, self.presenter.publish)
        self.gates = self.execution.gates
        self.planning = Planning(self.execution, self._note, self.presenter.publish)
        self._judge = self.execution.watched(self.gates.loop())

    @workflow.run
    async def run(self, *inputs: Any) -> RunResult:
        """Handle the request.

        Args:
            inputs: Exactly one: a `RunInput` as a JSON object.

        Returns:
            The run's result, for every outcome but these two.

        Raises:
            ApplicationError: The run failed; the result is the first detail.
            CancelledError: The run was cancelled.
        """
        if self._wrong is not None:
            raise ApplicationError(self._wrong, type=ErrorType.INVALID_INPUT.value, non_retryable=True)
        try:
            await self._advance()
        except RunEnds as end:
            if end.stop is not None:
                self._stopped(end.stop)
            if end.outcome is Outcome.FAILED:
                await compensate(self.execution, self._note)
            self._settle(end.outcome, end.error, end.message)
        except asyncio.CancelledError:
            if not await self._cancel():
                raise
        except activities.FAILURES as error:
            await compensate(self.execution, self._note)
            self._settle(Outcome.FAILED, activities.payload_of(error))
        return await self._finish()

    async def _advance(self) -> None:
        state = self.state
        if state.phase is Phase.ADMITTING:
            await self._admit()
        if state.phase is Phase.PLANNING:
            await self._unless_paused()
            await self.planning.plan()
        while state.phase in (Phase.EXECUTING, Phase.WAITING, Phase.PAUSED):
            await preflight(state, self._note, self.presenter.publish)
            why = await self.execution.run_plan()
            await self._unless_paused()
            if why is None:
                state.phase = Phase.ANSWERING
            else:
                await self.planning.revise(why)
        if state.phase is Phase.ANSWERING:
            self.presenter.publish()
            await answer(self.execution, self._note)

    async def _unless_paused(self) -> None:
        await workflow.wait_condition(lambda: not self.state.paused)

    async def _admit(self) -> None:
        self.presenter.publish()
        admission = await activities.admit(self.state.request)
        state = self.state
        state.agent_version, state.limits, state.verdict = admission.agent_version, admission.limits, admission.verdict
        state.text, state.forecast = admission.request, admission.forecast
        state.preflight, state.in_turn = admission.preflight, admission.in_turn
        state.canned, state.doubts = admission.answers, admission.doubts
        state.add_verdicts(admission.verdicts)
        if admission.verdict.action is Action.BLOCK:
            raise RunEnds(Outcome.DECLINED, message=admission.message or admission.verdict.reason)
        self._note("admitted", f"accepted by the agent {admission.agent!r}, version {admission.agent_version}")
        state.phase = Phase.PLANNING
        if admission.plan is not None:
            state.tools = admission.tools
            self.planning.adopt(admission.plan, "the caller's plan")

    def _stopped(self, stop: Stop) -> None:
        self.state.add_verdicts([stop.verdict])
        self._note("stopped", f"{stop.reason} ({stop.rule}); {WORDS[stop.then]}", stop.step)

    def _settle(self, outcome: Outcome, error: ErrorPayload | None = None, message: str = "") -> None:
        state = self.state
        state.outcome, state.phase = outcome, Phase.ENDED
        state.error = error or state.error
        state.plain = not message or outcome is Outcome.ESCALATED
        state.answer = message or state.answer or plain_answer(state)

    async def _cancel(self) -> bool:
        """Clean up, waiting for effects under way; whether one is in doubt, so that the run has failed instead."""
        unknown = await run_cancelled(self.state, self.execution.stop)
        await compensate(self.execution, self._note)
        if (unknown := unknown or undoing_unclear(self.state)) is not None:
            self._settle(Outcome.FAILED, unknown)
            return True
        self._settle(Outcome.CANCELLED, message=self.state.canned.get("cancelled", "The run was cancelled."))
        await self._close()
        return False

    async def _finish(self) -> RunResult:
        result = await self._close()
        if result.outcome is Outcome.FAILED:
            error = result.error or ErrorPayload(message="the run failed")
            raise ApplicationError(error.message, result, type=error.type.value, non_retryable=True)
        return result

    async def _close(self) -> RunResult:
        """Write the end down. A cancellation that comes meanwhile is too late; it comes once."""
        try:
            return await self._write_end()
        except asyncio.CancelledError:
            if not workflow.patched(activities.CANCELLED):
                raise
            return await self._write_end()

    async def _write_end(self) -> RunResult:
        """Stop what still runs, judge what still came in, write the end down."""
        await self.execution.stop()
        await judge_plain(self.execution)
        self._note("ended", self.state.outcome.value if self.state.outcome else "ended")
        while True:
            await self.gates.drain()
            await workflow.wait_condition(workflow.all_handlers_finished)
            result = result_of(self.state, workflow.info().workflow_id, now=workflow.now())
            self.presenter.publish(result.summary)
            receipts, self.state.unrecorded = self.state.unrecorded, []
            gates = list(self.state.gates.values())
            kept = self.state if result.outcome is Outcome.FAILED else None
            task = RecordTask(run=result.run, result=result, gates=gates, receipts=receipts, state=kept)
            try:
                recorded = await activities.record(task)
            except BaseException:
                self.state.unrecorded = receipts + self.state.unrecorded
                raise
            if not self.state.inbox and not self.state.unrecorded:
                if recorded.alerts:
                    result = result.model_copy(update={"summary": with_alerts(result.summary, recorded.alerts)})
                return result

    def _note(self, kind: str, text: str, step: str | None = None) -> None:
        timeline = self.state.timeline
        timeline.append(Event(at=workflow.now(), kind=kind, text=text[:500], step=step))
        if len(timeline) > MAX_EVENTS:
            drop = len(timeline) // 3
            del timeline[:drop]
            self.state.timeline_dropped += drop

    # --- signals, updates, queries ------------------------------------------------------------------------------

    def _receive(self, action: DecisionAction, payload: Any) -> None:
        self.execution.decision_arrived()
        self.gates.receive(read_decision(action, payload))

    @workflow.signal(name="approve", description="Approve a call: approval, digest, by, reason")
    def approve(self, payload: Any = None) -> None:
        """Approve a call."""
        self._receive(DecisionAction.APPROVE, payload)

    @workflow.signal(name="reject", description="Reject a call: approval, by, reason")
    def reject(self, payload: Any = None) -> None:
        """Reject a call."""
        self._receive(DecisionAction.REJECT, payload)

    @workflow.signal(name="edit", description="Approve a call with other arguments: approval, digest, args, by, reason")
    def edit(self, payload: Any = None) -> None:
        """Approve a call with other arguments."""
        self._receive(DecisionAction.EDIT, payload)

    @workflow.signal(name="respond", description="Answer in a call's place: approval, digest, response, by")
    def respond(self, payload: Any = None) -> None:
        """Answer in a call's place."""
        self._receive(DecisionAction.RESPOND, payload)

    @workflow.update(name="decide", description="Decide, and hear at once what it changed")
    async def decide(self, decision: ApprovalDecision) -> Receipt:
        """Decide, and hear at once what it changed."""
        self.execution.decision_arrived(update=True)
        return await self.gates.ask(decision)

    @decide.validator
    def _refuse(self, decision: ApprovalDecision) -> None:
        if self.state.outcome is not None:
            raise ApplicationError("the run has ended; nothing was changed", type=ErrorType.INVALID_INPUT.value)
        refusal = self.gates.refusal(decision)
        if refusal is not None:
            raise ApplicationError(refusal, type=ErrorType.INVALID_INPUT.value, non_retryable=True)

    @workflow.signal(name="cancel_step", description="Cancel one step: step, by, reason")
    def cancel_step(self, payload: Any = None) -> None:
        """Cancel one step."""
        given = payload if isinstance(payload, dict) else {"step": payload}
        self.execution.cancel_step(str(given.get("step", "")), who(given))

    @workflow.signal(name="pause", description="Start nothing new until resumed: by, reason")
    def pause(self, payload: Any = None) -> None:
        """Start nothing new until resumed."""
        if not self.state.paused:
            self._note("paused", f"paused{who(payload)}")
        self.execution.pause(True)

    @workflow.signal(name="resume", description="Go on after a pause: by, reason")
    def resume(self, payload: Any = None) -> None:
        """Go on after a pause."""
        if self.state.paused:
            self._note("resumed", f"resumed{who(payload)}")
        self.execution.pause(False)

    @workflow.query(name="status", description="Where the run stands")
    def status(self) -> RunStatus:
        """Where the run stands."""
        return status_of(self.state, workflow.info().workflow_id)

    @workflow.query(name="plan", description="The current plan")
    def plan(self) -> Plan | None:
        """The current plan, or null while there is none."""
        return self.state.plan

    @workflow.query(name="pending_approvals", description="What waits for a decision")
    def pending_approvals(self) -> list[ApprovalRequest]:
        """What waits for a decision."""
        return self.gates.pending

    @workflow.query(name="state", description="Everything the run knows")
    def whole_state(self) -> RunState:
        """Everything the run knows, packed; its dead letter keeps it when the run can't end by itself."""
        return pack(self.state, namespace=workflow.info().namespace)

    @workflow.query(name="timeline", description="What happened, from event number `since`")
    def timeline(self, since: int = 0) -> list[Event]:
        """What happened, from event number `since` (0 is the first; the oldest may no longer be kept)."""
        return self.state.timeline[max(0, since - self.state.timeline_dropped) :]
