"""The phases in which a model plans: the first plan, and its revisions."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import activities
from workflows.ending import RunEnds, ends, leave_out
from workflows.execution import Execution
from workflows.turns import in_turn

with workflow.unsafe.imports_passed_through():
    from plangate import loops, run_time, summary
    from plangate.errors import ErrorPayload, ErrorType
    from plangate.plans import Plan
    from plangate.reaching import WORDS, Reached, Stop
    from plangate.runs import Outcome, Phase
    from plangate.tasks import PlanOutcome, PlanTask

_NOT_THE_MODELS = frozenset({ErrorType.UNKNOWN_AGENT, ErrorType.BROKEN_AGENT, ErrorType.BUG})


class Planning:
    """Has plans made, and puts them in place.

    Args:
        execution: What carries the plan out.
        note: Adds to the timeline: kind, text, step.
        publish: Shows the state in Temporal.
    """

    def __init__(
        self, execution: Execution, note: Callable[[str, str, str | None], None], publish: Callable[[], None]
    ) -> None:
        self.state = execution.state
        self._execution, self._note, self._publish = execution, note, publish

    async def plan(self) -> None:
        """Have the first plan made.

        Raises:
            RunEnds: The planner declines or hands over, no model could plan, or a limit of the run was reached.
        """
        outcome = await self._make()
        self.state.tools = outcome.tools
        assert outcome.plan is not None
        self.adopt(outcome.plan, "planned")

    def adopt(self, plan: Plan, how: str) -> None:
        """Take up a first plan: a model's or the caller's."""
        loops.note_plan(self.state, plan)
        self.state.plan = plan
        self.state.phase = Phase.EXECUTING
        self._note("planned", f"{how}: {len(plan.steps)} step{'s' * (len(plan.steps) != 1)}", None)
        self._execution.adopt()
        self._publish()

    async def revise(self, why: str) -> None:
        """Have the rest of the plan revised; when the time for it is over, the run goes on to its answer.

        Raises:
            RunEnds: The planner declines or hands over, no model could plan, the new plan is no new plan, or a limit
                of the run was reached.
        """
        state = self.state
        self._note("revising", why, None)
        try:
            outcome = await self._make(why)
        except RunEnds as end:
            if end.stop is None or end.stop.then is not Reached.PARTIAL:
                raise
            self._note("stopped", f"{end.stop.reason} ({end.stop.rule}); {WORDS[Reached.PARTIAL]}", None)
            state.add_verdicts([end.stop.verdict])
            leave_out(state, end.stop)
            state.phase = Phase.ANSWERING
            return
        assert outcome.plan is not None
        if stop := loops.note_plan(state, outcome.plan):
            raise ends(stop, self._error_of(stop))
        state.tools = {**state.tools, **outcome.tools}
        self._execution.revise(outcome.plan)
        self._note("planned", f"revision {state.revision}: {len(outcome.plan.steps)} further steps", None)
        self._publish()

    def _error_of(self, stop: Stop) -> ErrorPayload | None:
        """What failed, when the plan only repeats it."""
        step = self.state.steps.get(stop.step or "")
        return step.error if step is not None else None

    async def _make(self, why: str = "") -> PlanOutcome:
        task = self._task(why)

        async def ask(failed: int, rounds: int) -> PlanOutcome:
            left = run_time.left(self.state, workflow.now())
            if left is not None and not left:
                raise ends(run_time.over(self.state))
            return await activities.make_plan(task.model_copy(update={"failed": failed, "rounds": rounds}), within=left)

        try:
            outcome = await in_turn(ask, self.state, self._note, self._publish)
        except activities.FAILURES as error:
            raise self._without_a_plan(error) from None
        self.state.usage = self.state.usage.plus(outcome.usage)
        self.state.repairs += outcome.repairs
        for told in outcome.fell_back:
            self._note("fallback", told, None)
        if outcome.verdict is not None:
            self.state.add_verdicts([outcome.verdict])
        if outcome.plan is None or outcome.action != "plan":
            raise _no_plan(outcome.action, outcome.message)
        return outcome

    def _without_a_plan(self, error: ActivityError | ApplicationError) -> RunEnds:
        """How a run ends that no model could plan."""
        payload = activities.payload_of(error)
        if self.state.limits.run_seconds and activities.ran_out_of_time(error):
            return ends(run_time.over(self.state), payload)
        stop = Stop(rule="models.unavailable", reason=payload.message, then=self.state.limits.then("no_model"))
        if payload.type in _NOT_THE_MODELS or stop.then is Reached.FAIL:
            return RunEnds(Outcome.FAILED, error=payload)
        return RunEnds(Outcome.ESCALATED, error=payload, stop=stop)

    def _task(self, why: str) -> PlanTask:
        state, request = self.state, self.state.request
        return PlanTask(
            run=workflow.info().workflow_id,
            agent=request.agent,
            agent_version=state.agent_version,
            request=state.asked,
            user=request.user,
            session=request.session,
            input=request.input,
            today=workflow.now().date().isoformat(),
            revision=state.revision + 1 if why else 0,
            plan=state.plan if why else None,
            steps=summary.reports(state, times=False) if why else [],
            results=self._execution.engine.result_keys() if why else {},
            why=why,
        )


def _no_plan(action: str, message: str) -> RunEnds:
    if action == "hand_over":
        return RunEnds(Outcome.ESCALATED, message=message or "A person will take over.")
    return RunEnds(Outcome.DECLINED, message=message or "This is outside of what this agent does.")
