"""Before a long plan: are the dependencies up that it can't do without?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

from workflows import activities
from workflows.ending import RunEnds

with workflow.unsafe.imports_passed_through():
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.preflight import OnDown, PreflightReport, PreflightTask, needed
    from plangate.runs import CallStatus, Outcome, RunState
    from plangate.tool_policy import Effect

_LONGEST = timedelta(seconds=30)


async def preflight(state: RunState, note: Callable[[str, str, str | None], None], publish: Callable[[], None]) -> None:
    """Look at the dependencies of the steps ahead, once for each revision of a plan that is long enough.

    Raises:
        RunEnds: One is down: by the agent's rules the run declines, or a person takes over.
    """
    rules, plan = state.preflight, state.plan
    if rules is None or plan is None or state.preflighted == state.revision:
        return
    ahead = [step for step in plan.steps if step.id in state.steps and not state.steps[step.id].status.ended]
    tools = needed(ahead)
    if tools and rules.due(ahead, state.tools):
        task = PreflightTask(run=workflow.info().workflow_id, agent=state.request.agent, tools=tools)
        await _until_all_are_up(state, task, note, publish)
    state.preflighted = state.revision


async def _until_all_are_up(
    state: RunState,
    task: PreflightTask,
    note: Callable[[str, str, str | None], None],
    publish: Callable[[], None],
) -> None:
    assert state.preflight is not None
    since, seen = workflow.now(), ""
    while True:
        report = await activities.preflight(task)
        if not report.down:
            note("preflight", f"before the plan begins: {', '.join(report.looked_at)} up", None)
            return
        text = report.in_words
        if text != seen:
            note("preflight", f"before the plan begins: {text}", None)
            seen = text
        now = workflow.now()
        pause = min(timedelta(seconds=max(report.seconds, 1.0)) + (now - since) / 4, _LONGEST)
        if state.preflight.on_down is not OnDown.WAIT or now + pause - since > timedelta(
            seconds=state.preflight.patience
        ):
            raise _end(state, report)
        again = (now + pause).strftime("%H:%M:%S")
        state.waits = f"waits before the plan begins: {text}; looks again at {again} UTC"
        publish()
        try:
            await workflow.sleep(pause, summary=state.waits)
        finally:
            state.waits = ""


def _end(state: RunState, report: PreflightReport) -> RunEnds:
    """Without a deed so far the run declines; else, or if the agent wants it so, a person takes over."""
    assert state.preflight is not None
    text = report.in_words
    error = ErrorPayload(
        type=ErrorType.DEPENDENCY_DOWN, message=f"the plan was not begun: {text}", attempted="preflight", next="it ends"
    )
    if state.preflight.on_down is OnDown.ESCALATE or _did_something(state):
        return RunEnds(Outcome.ESCALATED, error=error, message=f"A person takes over: {text}.")
    message = f"This can't be done just now: {text}. Nothing was done; please try again later."
    return RunEnds(Outcome.DECLINED, error=error, message=message)


def _did_something(state: RunState) -> bool:
    tools = {call.tool for step in state.steps.values() for call in step.calls if call.status is CallStatus.DONE}
    tools |= {packed.tool for step in state.steps.values() for packed in step.packed}
    return any(tool in state.tools and state.tools[tool].effect is Effect.CONSEQUENTIAL for tool in tools)
