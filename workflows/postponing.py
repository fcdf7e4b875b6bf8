"""Calls that can't be made now: their dependency is down, or it isn't their turn. They wait, or give up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from temporalio import workflow

from workflows import activities, waiting

with workflow.unsafe.imports_passed_through():
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.keys import call_id, idempotency_key
    from plangate.pacing import Wait
    from plangate.plans import Step
    from plangate.runs import CallState, RunState, StepState
    from plangate.tasks import CallResult, FreeTask
    from plangate.tool_policy import ToolPolicy


class CallFailed(Exception):
    """A call ended without a result; carries the error that says why."""

    def __init__(self, error: ErrorPayload) -> None:
        super().__init__(error.message)
        self.error = error


class Postponing:
    """What the parts of `workflows.calling.Caller` share, and how its calls wait."""

    state: RunState
    note: Callable[[str, str, str | None], None]
    changed: Callable[[], None]
    run: str

    async def _wait_for_dependency(
        self, step: Step, state: StepState, call: CallState, policy: ToolPolicy, outcome: CallResult
    ) -> None:
        """Wait for the next try, and say so; or give up.

        Raises:
            CallFailed: The call waits no longer.
        """
        if outcome.early is not None:
            await self._wait_for_turn(step, state, call, outcome.early, in_doubt=outcome.in_doubt)
            return
        now = workflow.now()
        call.blocked_since, call.in_doubt = call.blocked_since or call.started_at or now, outcome.in_doubt
        call.failed = max(call.failed, outcome.failed)
        pause = waiting.pause_before(call, outcome, now)
        if error := waiting.gives_up(call, outcome, policy, pause, now):
            call.blocked_since, call.in_doubt, state.reason = None, False, ""
            raise CallFailed(error.model_copy(update={"step": step.id}))
        text = waiting.in_words(outcome, now, pause)
        state.reason = text
        self.note("blocked", text, step.id)
        self.changed()
        await workflow.sleep(pause, summary=text)
        state.reason = ""

    async def _wait_for_turn(
        self, step: Step, state: StepState, call: CallState, wait: Wait, *, in_doubt: bool
    ) -> None:
        """Wait until the call may ask for its turn again, and say so. No time limit holds for it: it is only early."""
        now = workflow.now()
        first, call.early_since = call.early_since is None, call.early_since or now
        call.blocked_since, call.in_doubt, call.failed = None, in_doubt, wait.failed
        pause, text = waiting.for_its_turn(wait, now)
        state.reason = text
        if first:
            self.note("early", text, step.id)
        self.changed()
        await workflow.sleep(pause, summary=text)
        if state.reason == text:
            state.reason = ""

    async def leave_lines(self, steps: Sequence[Step]) -> None:
        """Calls of these steps no longer wait for their turn: others go first. (A run that ends does this anyway.)"""
        known = [(step, self.state.steps.get(step.id)) for step in steps]
        calls = [(step, call) for step, state in known if state for call in state.calls if call.early_since]
        if calls:
            keys = [self._key(step, call.item, fallback=call.fallback) for step, call in calls]
            for _, call in calls:
                call.early_since = None
            await activities.free_places(FreeTask(run=self.run, keys=keys))

    def _key(self, step: Step, item: int | None, *, fallback: bool) -> str:
        revision = self.state.steps[step.id].revision
        call = call_id(step.id, item=item, fallback=fallback, revision=revision)
        return idempotency_key(
            namespace=workflow.info().namespace,
            effect_identity=self.state.effect_identity or self.run,
            revision=revision,
            step=step.id,
            item=item,
            fallback=fallback,
            generation=self.state.generations.get(call, 0),
        )

    def _failed(self, step: Step, type: ErrorType, message: str) -> CallFailed:
        """A call that isn't made."""
        return CallFailed(ErrorPayload(type=type, message=message, attempted=step.tool, step=step.id, attempts=0))
