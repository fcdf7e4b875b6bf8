"""The phases in which a model plans: the first plan, and its revisions."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

from workflows import activities
from workflows.execution import Execution, RunEnds
from workflows.turns import in_turn

with workflow.unsafe.imports_passed_through():
    from plangate import summary
    from plangate.plans import Plan
    from plangate.runs import Outcome, Phase
    from plangate.tasks import PlanOutcome, PlanTask


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
            RunEnds: The planner declines, or hands over.
        """
        outcome = await self._make()
        self.state.tools = outcome.tools
        assert outcome.plan is not None
        self.adopt(outcome.plan, "planned")

    def adopt(self, plan: Plan, how: str) -> None:
        """Take up a first plan: a model's or the caller's."""
        self.state.plan = plan
        self.state.phase = Phase.EXECUTING
        self._note("planned", f"{how}: {len(plan.steps)} step{'s' * (len(plan.steps) != 1)}", None)
        self._execution.adopt()
        self._publish()

    async def revise(self, why: str) -> None:
        """Have the rest of the plan revised.

        Raises:
            RunEnds: The planner declines, or hands over.
        """
        state = self.state
        self._note("revising", why, None)
        outcome = await self._make(why)
        assert outcome.plan is not None
        state.tools = {**state.tools, **outcome.tools}
        self._execution.revise(outcome.plan)
        self._note("planned", f"revision {state.revision}: {len(outcome.plan.steps)} further steps", None)
        self._publish()

    async def _make(self, why: str = "") -> PlanOutcome:
        task = self._task(why)
        outcome = await in_turn(
            lambda failed, rounds: activities.make_plan(task.model_copy(update={"failed": failed, "rounds": rounds})),
            self.state,
            self._note,
            self._publish,
        )
        self.state.usage = self.state.usage.plus(outcome.usage)
        self.state.repairs += outcome.repairs
        if outcome.verdict is not None:
            self.state.add_verdicts([outcome.verdict])
        if outcome.plan is None or outcome.action != "plan":
            raise _no_plan(outcome.action, outcome.message)
        return outcome

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
