"""The phase in which the answer is written: by a model, or plainly from the results when none can."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

from workflows import activities
from workflows.execution import Execution
from workflows.turns import in_turn

with workflow.unsafe.imports_passed_through():
    from plangate import summary
    from plangate.runs import Outcome, Phase, RunState, StepStatus
    from plangate.tasks import RespondTask


async def answer(execution: Execution, note: Callable[[str, str, str | None], None]) -> None:
    """Have the answer written; the run's outcome and answer are in its state then."""
    state = execution.state
    outcome = execution.outcome()
    try:
        task = _task(execution, outcome)
        written = await in_turn(
            lambda failed, rounds: activities.respond(task.model_copy(update={"failed": failed, "rounds": rounds})),
            state,
            note,
            execution.publish,
        )
    except activities.FAILURES as error:
        state.error = activities.payload_of(error)
        note("failed", f"no model could write the answer: {state.error.message}", None)
        outcome = Outcome.DEGRADED if outcome is Outcome.COMPLETED else outcome
        state.answer = plain_answer(state)
    else:
        state.usage = state.usage.plus(written.usage)
        state.answer = written.text
        state.add_verdicts(written.verdicts)
        state.confidence, state.doubts = written.confidence, written.doubts
    state.outcome, state.phase = outcome, Phase.ENDED


def _task(execution: Execution, outcome: Outcome) -> RespondTask:
    state, request = execution.state, execution.state.request
    return RespondTask(
        run=workflow.info().workflow_id,
        agent=request.agent,
        agent_version=state.agent_version,
        request=state.asked,
        user=request.user,
        session=request.session,
        today=workflow.now().date().isoformat(),
        goal=state.plan.goal if state.plan else "",
        outcome=outcome,
        steps=summary.reports(state, times=False),
        results=execution.engine.result_keys(),
        answers=execution.engine.fixed_results(),
        gaps=summary.gaps(state),
        stream=request.stream,
        repairs=state.repairs,
    )


def plain_answer(state: RunState) -> str:
    """What the person reads when no model wrote an answer."""
    if state.outcome is Outcome.FAILED and not state.steps:
        return "The request could not be handled. Nothing was done."
    done = [f"- {r.summary or r.title}" for r in summary.reports(state) if r.status is StepStatus.DONE]
    missing = [f"- {gap}" for gap in summary.gaps(state)]
    parts = ["Your request could not be finished." if state.error else "Here is what was done."]
    parts += ["Done:", *done] if done else []
    parts += ["Not done:", *missing] if missing else []
    return "\n".join(parts)
