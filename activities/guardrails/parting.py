"""What a planner tells the person instead of a plan: read by people as an answer is, so it is judged like one."""

from __future__ import annotations

from activities.guardrails.answers import Answers
from activities.guardrails.judging import strictest
from activities.guardrails.registry import OUTPUT
from activities.prompts.planner import Agent
from activities.prompts.results import Results, load_by_step
from plangate.runs import Outcome
from plangate.tasks import PlanOutcome, PlanTask, RespondTask

_GUARDS = tuple(guard for guard in OUTPUT if guard.name != "output.schema")
"""The answers' shape for programs is none of these words'."""


async def parted(agent: Agent, task: PlanTask, outcome: PlanOutcome, store: Results) -> PlanOutcome:
    """An outcome without a plan, with the planner's words as people may read them.

    Args:
        agent: The agent.
        task: What was to be planned, or revised.
        outcome: What the planner said. It may have read what isn't the person's to read.
        store: Where the results are that it had.

    Returns:
        Without words when they may not be read: the workflow has its own. The verdict says what became of them.
    """
    asked = RespondTask(
        run=task.run,
        agent=task.agent,
        request=task.request,
        user=task.user,
        session=task.session,
        today=task.today,
        outcome=Outcome.DECLINED,
        steps=task.steps,
        input=task.input,
    )
    words = outcome.message.strip()
    answer = await Answers(agent, asked, await load_by_step(store, task.results), _GUARDS).judge_aside(words)
    verdict = answer.verdict or (strictest(answer.verdicts) if answer.text != words else None)
    return outcome.model_copy(update={"message": answer.text, "verdict": verdict})
