"""Carrying out a plan: starts steps as they become free, and decides what a failure means for the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from temporalio import workflow

from workflows.continuing import History, continue_as_new
from workflows.cutting_off import step_cancelled
from workflows.ending import after_failure, after_looking, ends, leave_out, may_be_left_out, unknown_first
from workflows.gates import Gates
from workflows.stepping import Stepper

with workflow.unsafe.imports_passed_through():
    from plangate import engine, loops, run_time
    from plangate.approvals import ApprovalRequest
    from plangate.errors import ErrorPayload
    from plangate.plans import Plan, Step
    from plangate.reaching import WORDS, Reached, Stop
    from plangate.run_time import TIME
    from plangate.runs import Phase, RunState, StepStatus


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
        self._note, self._publish, self.publish = note, publish, publish
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._may_start = asyncio.Event()
        self._failed: str | None = None
        self.halted: Stop | None = None
        """Why the run stops although its plan isn't done."""
        self._bug: BaseException | None = None
        self._history = History()
        self.engine = engine.Engine(state)
        self.stepper = self._make_stepper()
        self._open_or_close()

    def _make_stepper(self) -> Stepper:
        slots = asyncio.Semaphore(self.state.limits.parallel)
        return Stepper(
            self.state,
            self.engine,
            self.gates,
            self._note,
            self._may_start,
            slots,
            changed=self._changed.set,
            halt=self.halt,
            look=self._look,
        )

    def adopt(self) -> None:
        """Take up the state's plan (a first one, or a revised one)."""
        self._failed = self.halted = None
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
        timer = self.watched(self._watch_time()) if self.state.limits.run_seconds else None
        try:
            await self._run_steps()
        finally:
            if timer is not None:
                timer.cancel()
        return self._verdict()

    async def _run_steps(self) -> None:
        while True:
            self._changed.clear()
            if self._bug is not None:
                raise self._bug
            self._start_ready()
            ending = self._failed is not None or self.halted is not None
            if not self._tasks and (ending or not self.engine.has_ready):
                return
            if self._stopping() and self._may_abandon():
                await self._abandon()
                if not ending:
                    await continue_as_new(self.state, self.gates)
                await self.stepper.leave_lines(self.state.plan.steps if self.state.plan else [])
                return
            self._show_phase()
            await self._changed.wait()

    def _may_abandon(self) -> bool:
        """Whether nothing is under way that has to end first. When the time is over only effects are waited for."""
        late = self.halted is not None and self.halted.rule == TIME
        return (self.stepper.committed if late else self.stepper.running) == 0

    async def _watch_time(self) -> None:
        """Halt the run when its time is over; while it waits for people the clock stands still."""
        state = self.state
        while True:
            await workflow.wait_condition(lambda: state.away_since is None)
            left = run_time.left(state, workflow.now())
            if not left:
                self.halt(run_time.over(state))
                return
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: state.away_since is not None, timeout=left, timeout_summary="Time for the run"
                )

    def halt(self, stop: Stop) -> None:
        """Start nothing new; when what is under way has ended, the run stops or answers from what is there."""
        if self.halted is None:
            self.halted = stop
            self._open_or_close()
            self._changed.set()

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
            await step_cancelled(self.state, step, state, self._note)
            await self.stepper.leave_lines([step])
        except Exception as error:
            self._bug = self._bug or error
            raise
        finally:
            self._tasks.pop(step.id, None)
            self._changed.set()
        self.engine.ended(step.id)
        if state.status is StepStatus.FAILED and self._failed is None and not may_be_left_out(step, state.error):
            self._failed = step.id
        if stop := loops.note_end(self.state, state):
            self.halt(stop)
        self._open_or_close()
        if len(self.engine.steps) <= 40 or state.status is not StepStatus.DONE:
            self._publish()

    def _stopping(self) -> bool:
        return self._failed is not None or self.halted is not None or self._history.full

    def _open_or_close(self) -> None:
        """New calls may start unless the run is paused, a step has failed for good, or the history is full."""
        if self.state.paused or self._stopping():
            self._may_start.clear()
        else:
            self._may_start.set()

    def _look(self) -> None:
        """In the middle of a list: is the history full, and has everything ended that was under way?"""
        if self._may_start.is_set():
            self._open_or_close()
        if not self._may_start.is_set() and self._stopping() and self._may_abandon():
            self._changed.set()

    def pause(self, paused: bool) -> None:
        """Start nothing new, or go on."""
        self.state.paused = paused
        self._mark_time()
        self._open_or_close()
        self._show_phase()
        self._changed.set()

    def decision_arrived(self, *, update: bool = False) -> None:
        """Count a signal or update; too many continue the run as new."""
        self._history.decision_arrived(update=update)
        if self._history.full:
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
        self._mark_time()
        self._show_phase()
        self._changed.set()

    def _mark_time(self) -> None:
        run_time.mark(self.state, workflow.now(), away=bool(self.gates.pending) or self.state.paused)

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
        state, halted = self.state, self.halted
        if self._failed is not None or halted is not None:
            for gate in self.gates.pending:
                self.gates.withdraw(gate.call)
            unknown_first(state, None if halted else self._failed)
        if halted is not None:
            if halted.then is not Reached.PARTIAL:
                raise ends(halted, self._last_error())
            self._note("stopped", f"{halted.reason} ({halted.rule}); {WORDS[Reached.PARTIAL]}", None)
            state.add_verdicts([halted.verdict])
            leave_out(state, halted)
            return None
        if self._failed is not None:
            return after_failure(state, self._failed)
        return after_looking(state)

    def _last_error(self) -> ErrorPayload | None:
        """The error of the step that the run stops for, when that failed."""
        step = self.state.steps.get(self.halted.step or "") if self.halted else None
        return step.error if step is not None else None
