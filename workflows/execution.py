"""Carrying out a plan: starts steps as they become free, and decides what a failure means for the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from temporalio import workflow

from workflows.gates import Gates
from workflows.stepping import Stepper

with workflow.unsafe.imports_passed_through():
    from plangate import engine
    from plangate.approvals import ApprovalRequest
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.plans import Plan, Step
    from plangate.runs import CallStatus, Outcome, Phase, RunInput, RunState, StepStatus

MAX_HISTORY_EVENTS = 20_000
MAX_HISTORY_BYTES = 8 * 1024 * 1024
MAX_DECISIONS = 5_000
"""Signals and updates of one execution after which it continues as new (the server's limits: 10,000 and 2,000)."""
MAX_UPDATES = 1_500
KEEP_INLINE = 1024
"""Bytes of a result that is carried through continue-as-new by value."""
_FINAL = frozenset({ErrorType.OUTCOME_UNKNOWN, ErrorType.LIMIT_REACHED, ErrorType.BUG, ErrorType.BROKEN_AGENT})
"""Errors that a new plan can't mend."""


_TOO_OFTEN = "The plan was revised as often as the scope allows; a person takes over."


class RunEnds(Exception):
    """The run is over early."""

    def __init__(self, outcome: Outcome, *, error: ErrorPayload | None = None, message: str = "") -> None:
        super().__init__(message or outcome.value)
        self.outcome, self.error, self.message = outcome, error, message


class Execution:
    """The carrying out of a run's plan.

    Args:
        state: The run's state.
        note: Adds to the timeline: kind, text, step.
        publish: Shows the state in Temporal.
    """

    def __init__(
        self, state: RunState, note: Callable[[str, str, str | None], None], publish: Callable[[], None]
    ) -> None:
        self.state = state
        self.gates = Gates(state, self._gate_changed)
        self._note, self._publish = note, publish
        self.publish = publish
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._may_start = asyncio.Event()
        self._failed: str | None = None
        self._bug: BaseException | None = None
        self._decisions = 0
        self.engine = engine.Engine(state)
        self.stepper = self._make_stepper()
        self._open_or_close()

    def _make_stepper(self) -> Stepper:
        slots = asyncio.Semaphore(self.state.limits.parallel)
        return Stepper(
            self.state, self.engine, self.gates, self._note, self._may_start, slots, changed=self._changed.set
        )

    def adopt(self) -> None:
        """Take up the state's plan (a first one, or a revised one)."""
        self._failed = None
        self.engine = engine.Engine(self.state)
        self.stepper = self._make_stepper()
        self._open_or_close()

    def revise(self, plan: Plan) -> None:
        """Put a revised plan in place."""
        engine.revise(self.state, plan)
        self.adopt()

    async def run_plan(self) -> str | None:
        """Run steps until nothing more can start.

        Returns:
            Why the planner is to revise the rest, or None when the plan is done.

        Raises:
            RunEnds: A step failed for good and nothing can mend it.
        """
        self._restart()
        while True:
            self._changed.clear()
            if self._bug is not None:
                raise self._bug
            self._start_ready()
            if not self._tasks and (self._failed is not None or not self.engine.has_ready):
                break
            if self._stopping() and self.stepper.running == 0:
                await self._abandon()
                if self._failed is None:
                    await self._continue_as_new()
                await self.stepper.leave_lines(self.state.plan.steps if self.state.plan else [])
                break
            self._show_phase()
            await self._changed.wait()
        return self._verdict()

    def _restart(self) -> None:
        """After continue-as-new: steps that were under way go on."""
        for step in self.state.plan.steps if self.state.plan else []:
            if self.state.steps[step.id].status in (StepStatus.RUNNING, StepStatus.WAITING):
                self._spawn(step)

    def _start_ready(self) -> None:
        if not self._may_start.is_set():
            return
        for step in self.engine.take_ready():
            if step.id not in self._tasks:
                self._spawn(step)

    def _spawn(self, step: Step) -> None:
        self._tasks[step.id] = self.watched(self._step(step))

    def watched(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task whose bugs aren't lost: `run_plan` raises them, which fails the workflow task until they are fixed."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_bug)
        return task

    def _note_bug(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bug = self._bug or error
            self._changed.set()

    async def _step(self, step: Step) -> None:
        state = self.state.steps[step.id]
        try:
            await self.stepper.run_step(step)
        except asyncio.CancelledError:
            if step.id not in self.state.cancelled_steps:
                raise
            for gate in [gate for gate in self.gates.pending if gate.step == step.id]:
                self.gates.withdraw(gate.call)
            state.status, state.reason = StepStatus.CANCELLED, state.reason or "cancelled"
            self._note("cancelled", f"cancelled: {step.title or step.id}", step.id)
            await self.stepper.leave_lines([step])
        except Exception as error:
            self._bug = self._bug or error
            raise
        finally:
            self._tasks.pop(step.id, None)
            self._changed.set()
        self.engine.ended(step.id)
        if state.status is StepStatus.FAILED and not step.optional and self._failed is None:
            self._failed = step.id
        self._open_or_close()
        if len(self.engine.steps) <= 40 or state.status is not StepStatus.DONE:
            self._publish()

    def _stopping(self) -> bool:
        return self._failed is not None or self._full()

    def _full(self) -> bool:
        """Whether the history is long enough to continue as new."""
        info = workflow.info()
        return (
            info.is_continue_as_new_suggested()
            or info.get_current_history_length() > MAX_HISTORY_EVENTS
            or info.get_current_history_size() > MAX_HISTORY_BYTES
            or self._decisions > MAX_DECISIONS
        )

    def _open_or_close(self) -> None:
        """New calls may start unless the run is paused, a step has failed for good, or the history is full."""
        if self.state.paused or self._stopping():
            self._may_start.clear()
        else:
            self._may_start.set()

    def pause(self, paused: bool) -> None:
        """Start nothing new, or go on."""
        self.state.paused = paused
        self._open_or_close()
        self._show_phase()
        self._changed.set()

    def decision_arrived(self, *, update: bool = False) -> None:
        """Count a signal or update; too many continue the run as new."""
        self._decisions += MAX_DECISIONS // MAX_UPDATES + 1 if update else 1
        if self._full():
            self._open_or_close()
            self._changed.set()

    def cancel_step(self, step: str, who: str) -> None:
        """Cancel one step, whether it has begun or not."""
        state = self.state.steps.get(step)
        if state is None or state.status.ended or step in self.state.cancelled_steps:
            self._note("ignored", f"cancel_step for {step!r}: there is no such step to cancel{who}", None)
            return
        self.state.cancelled_steps.append(step)
        state.reason = f"cancelled{who}"
        task = self._tasks.get(step)
        if task is not None:
            task.cancel()
            return
        state.status = StepStatus.CANCELLED
        self._note("cancelled", state.reason, step)
        self.engine.ended(step)
        self._changed.set()

    def _gate_changed(self, gate: ApprovalRequest, text: str) -> None:
        self._note("decided" if gate.settled else "asked", text, gate.step)
        self._show_phase()
        self._changed.set()

    def _show_phase(self) -> None:
        phase = self.state.phase
        if phase is Phase.UNDOING:
            self._publish()
        if phase in (Phase.EXECUTING, Phase.WAITING, Phase.PAUSED):
            waits = bool(self.gates.pending)
            self.state.phase = Phase.PAUSED if self.state.paused else Phase.WAITING if waits else Phase.EXECUTING
            self._publish()

    async def _abandon(self) -> None:
        """Stop tasks that wait (for a gate, a slot, the end of a pause). None of their tools runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def stop(self) -> None:
        """The run ends: cancel what is under way, close gates that nobody has to decide any more."""
        await self._abandon()
        for gate in self.gates.pending:
            self.gates.withdraw(gate.call)
        for step in self.state.steps.values():
            if step.status in (StepStatus.RUNNING, StepStatus.WAITING):
                step.status, step.reason = StepStatus.CANCELLED, "the run ended"

    def _verdict(self) -> str | None:
        state = self.state
        if self._failed is not None:
            return self._after_failure(self._failed)
        plan = state.plan
        if plan is not None and plan.needs == "look first" and state.request.plan is None:
            if state.revision >= state.limits.revisions:
                raise RunEnds(Outcome.ESCALATED, message=_TOO_OFTEN)
            return "the plan said to look first; here is what was found"
        return None

    def _after_failure(self, name: str) -> str:
        state = self.state
        error = state.steps[name].error or ErrorPayload(message=state.steps[name].reason, step=name)
        title = next((s.title for s in (state.plan.steps if state.plan else []) if s.id == name), "") or name
        for gate in self.gates.pending:
            self.gates.withdraw(gate.call)
        if error.type is ErrorType.LIMIT_REACHED:
            raise RunEnds(Outcome.ESCALATED, error=error.model_copy(update={"next": "a person takes over"}))
        if error.type is ErrorType.DEPENDENCY_DOWN:
            raise RunEnds(Outcome.ESCALATED, error=error, message=f"A person takes over: {error.message}.")
        if error.type in _FINAL or state.request.plan is not None or state.revision >= state.limits.revisions:
            raise RunEnds(Outcome.FAILED, error=error.model_copy(update={"next": "the run ends"}))
        return f"the step {name!r} ({title}) failed for good: {error.message} ({error.type.value})"

    def outcome(self) -> Outcome:
        """How the run ends if nothing else happens."""
        state = self.state
        optional = {step.id for step in (state.plan.steps if state.plan else []) if step.optional}
        statuses = {step.status for name, step in state.steps.items() if name not in optional}
        if StepStatus.REJECTED in statuses:
            return Outcome.REJECTED
        ended_badly = {StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.REJECTED}
        if any(step.status in ended_badly or step.gap for step in state.steps.values()):
            return Outcome.DEGRADED
        partly = any(
            step.items is not None and sum(call.status is CallStatus.DONE for call in step.calls) < step.items
            for step in state.steps.values()
            if step.status is StepStatus.DONE
        )
        return Outcome.DEGRADED if partly else Outcome.COMPLETED

    async def _continue_as_new(self) -> None:
        """Begin a new history with the same state; results that aren't tiny stay in the database."""
        state = self.state
        await workflow.wait_condition(lambda: not state.inbox and workflow.all_handlers_finished())
        for step in state.steps.values():
            for call in step.calls:
                result = call.result
                if result is not None and result.inline and result.key and result.size > KEEP_INLINE:
                    call.result = result.model_copy(update={"inline": False, "value": None})
        state.generation += 1
        request = state.request.model_dump()
        workflow.continue_as_new(RunInput(**request, carried=state))
