"""The phase in which the answer is written: by a model, or plainly from the results when none can."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

from workflows import activities
from workflows.ending import outcome_of
from workflows.execution import Execution
from workflows.turns import PATIENCE, in_turn

with workflow.unsafe.imports_passed_through():
    from plangate import run_time, summary
    from plangate.plain_answers import plain_answer
    from plangate.runs import Outcome, Phase
    from plangate.tasks import Answer, RespondTask

GRACE = timedelta(seconds=30)
"""For the answer of a run whose time is over; then it is written without a model."""


async def answer(execution: Execution, note: Callable[[str, str, str | None], None]) -> None:
    """Have the answer written; the run's outcome and answer are in its state then."""
    state = execution.state
    outcome = outcome_of(state)
    try:
        task = _task(execution, outcome)

        async def ask(failed: int, rounds: int) -> Answer:
            left = run_time.left(state, workflow.now())
            within = None if left is None else left + GRACE
            return await activities.respond(task.model_copy(update={"failed": failed, "rounds": rounds}), within=within)

        left = run_time.left(state, workflow.now())
        patience = PATIENCE if left is None else min(PATIENCE, left + GRACE)
        written = await in_turn(ask, state, note, execution.publish, patience=patience)
    except activities.FAILURES as error:
        state.error = activities.payload_of(error)
        note("failed", f"no model could write the answer: {state.error.message}", None)
        state.outcome = outcome
        state.answer, state.plain = plain_answer(state), True
        outcome = Outcome.DEGRADED if outcome is Outcome.COMPLETED else outcome
    else:
        state.usage = state.usage.plus(written.usage)
        state.answer = written.text
        for told in written.fell_back:
            note("fallback", told, None)
        if written.hand_over:
            outcome = Outcome.ESCALATED
        if written.verdict is not None:
            note("held back", f"the answer isn't shown: {written.verdict.reason} ({written.verdict.rule})", None)
            state.outcome = outcome
            state.answer, state.plain = f"{written.verdict.reason}\n\n{plain_answer(state)}", True
            outcome = Outcome.DEGRADED if outcome is Outcome.COMPLETED else outcome
        state.add_verdicts(written.verdicts)
        state.confidence, state.doubts = written.confidence, written.doubts
    state.outcome, state.phase = outcome, Phase.ENDED


async def judge_plain(execution: Execution) -> None:
    """Have an answer judged that no model wrote, before anybody reads it; where nobody can, it isn't shown."""
    state = execution.state
    if state.plain and state.steps and workflow.patched("plain-answers-judged"):
        task = _task(execution, state.outcome or Outcome.FAILED).model_copy(update={"text": state.answer})
        try:
            judged = await activities.judge_plain(task)
        except activities.FAILURES:
            state.answer = _UNJUDGED
        else:
            state.answer = judged.text or _UNJUDGED
            state.add_verdicts(judged.verdicts)
    state.plain = False


_UNJUDGED = "Your request could not be finished, and what became of it could not be checked. A person can tell you."


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
        input=request.input,
        stream=request.stream,
        repairs=state.repairs,
        doubts=state.doubts,
    )
