"""What would happen to a plan: what it asks and why, where every argument comes from, its cost. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from activities.binding import bind_arguments
from activities.catalogue import LoadedAgent
from activities.flowing import judge_flow, stricter
from activities.guardrails.forecasting import forecast
from activities.models.settings import ModelAccessSettings
from plangate import expressions
from plangate.action_limits import LimitOf, strictest
from plangate.errors import PlangateError
from plangate.forecasts import Forecast
from plangate.lineage import plain_lineage
from plangate.plans import Plan, PlanProblem, Step
from plangate.policy import Action, Verdict
from plangate.provenance import Provenance
from plangate.runs import RunRequest
from plangate.tool_policy import Effect
from workers.agents.plan_files import CheckedPlan, PlannedStep, check_plan, read_plan
from workers.check.spending import BudgetCheck, limits_later, refers, spend


@dataclass(frozen=True)
class StepCheck:
    """A step, or a step's fallback: what would be said of its call."""

    step: Step
    wave: int
    tool: str
    effect: Effect
    args: Mapping[str, Any]
    verdict: Verdict
    """What is known; `allow` with `depends` set where the scope's rule waits for results."""
    provenance: list[Provenance]
    depends: str = ""
    """The scope's rule in words, where it depends on results."""
    fallback: bool = False
    problems: list[str] = field(default_factory=list)
    """Mistakes of arguments that are known already."""
    waits: list[str] = field(default_factory=list)
    """Limits and budgets that are decided when a reference's value is known, in words."""

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "step": self.step.id,
            "title": self.step.title,
            "tool": self.tool,
            "effect": self.effect.value,
            "wave": self.wave,
            "fallback": self.fallback,
            "args": dict(self.args),
            "action": self.verdict.action.value,
            "rule": self.verdict.rule,
            "reason": self.verdict.reason,
            "depends_on_results": self.depends,
            "problems": self.problems,
            "later": self.waits,
            "when": self.step.when,
            "for_each": self.step.for_each,
            "provenance": [
                {**each.model_dump(mode="json"), "trusted": each.trusted, "words": each.words}
                for each in self.provenance
            ],
        }


@dataclass(frozen=True)
class PlanCheck:
    """Everything that is known of a plan before it runs."""

    agent: LoadedAgent
    checked: CheckedPlan
    steps: list[StepCheck] = field(default_factory=list)
    forecast: Forecast = field(default_factory=Forecast)
    budgets: list[BudgetCheck] = field(default_factory=list)

    @property
    def problems(self) -> list[tuple[int | None, PlanProblem]]:
        """Mistakes of the plan, with their lines."""
        return self.checked.problems

    @property
    def asks(self) -> list[StepCheck]:
        """Calls that a person is asked about, whatever results come."""
        return [each for each in self.steps if each.verdict.action in (Action.ASK, Action.DRAFT)]

    @property
    def blocked(self) -> list[StepCheck]:
        """Calls that would be refused."""
        return [each for each in self.steps if each.verdict.action is Action.BLOCK or each.problems]

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": not self.problems and not self.blocked,
            "file": self.checked.file,
            "agent": self.agent.name,
            "agent_version": self.agent.version,
            "goal": self.checked.plan.goal if self.checked.plan else "",
            "problems": [{**problem.model_dump(mode="json"), "line": line} for line, problem in self.problems],
            "steps": [each.data() for each in self.steps],
            "gates": len(self.asks),
            "refused": len(self.blocked),
            "budgets": [each.data() for each in self.budgets],
            "limits": self.agent.scope.limits.model_dump(mode="json"),
            "forecast": self.forecast.model_dump(mode="json"),
        }


def check_plan_file(
    file: str,
    agent: LoadedAgent,
    request: RunRequest,
    models: ModelAccessSettings,
    budgets: Sequence[BudgetCheck] = (),
) -> PlanCheck:
    """Check a plan file.

    Args:
        file: A plan in YAML or JSON; `-` reads standard input.
        agent: The agent that is to carry it out.
        request: What a person would have asked, and as whom: it says what they name.
        models: Which models would be called, for the forecast.
        budgets: What it would count against; see `workers.check.spending.budgets_of`.

    Raises:
        InvalidInput: When the file can't be read.
    """
    checked = check_plan(read_plan(file), agent)
    if checked.problems or checked.plan is None:
        return PlanCheck(agent, checked)
    plan = checked.plan
    planned = request.model_copy(update={"agent": agent.name, "plan": plan.model_dump(mode="json")})
    counts: dict[str, int] = {}
    steps = []
    for each in checked.steps:
        steps.append(_of_call(agent, plan, each, request, counts, fallback=False))
        if each.step.fallback is not None and each.step.fallback.tool is not None:
            steps.append(_of_call(agent, plan, each, request, counts, fallback=True))
    expected = forecast(agent, planned, models)
    judged, spent = spend(steps, budgets, expected)
    return PlanCheck(agent, checked, judged, expected, spent)


def _of_call(
    agent: LoadedAgent, plan: Plan, planned: PlannedStep, request: RunRequest, counts: dict[str, int], *, fallback: bool
) -> StepCheck:
    step = planned.step
    tool, args = step.tool, step.args
    if fallback:
        assert step.fallback is not None
        assert step.fallback.tool is not None
        tool, args = step.fallback.tool, step.fallback.args
    counts[tool] = counts.get(tool, 0) + 1
    verdict, depends, problems = _by_scope(agent, tool, args, request.user, counts[tool])
    scope = {"input": request.input}
    flow, found = judge_flow(agent, tool, args, plain_lineage(plan, step, args, request), scope)
    return StepCheck(
        step=step,
        wave=planned.wave,
        tool=tool,
        effect=agent.tools[tool].settings.effect,
        args=args,
        verdict=stricter(verdict, flow),
        provenance=found,
        depends=depends,
        fallback=fallback,
        problems=problems,
        waits=limits_later(agent, tool, args),
    )


def _by_scope(
    agent: LoadedAgent, tool: str, args: Mapping[str, Any], user: str | None, nth: int
) -> tuple[Verdict, str, list[str]]:
    """What rule and limits say, what depends on results, and the mistakes of arguments that are known."""
    rule = agent.scope.tools[tool].rule
    if not any(True for _ in expressions.references(dict(args))):
        try:
            return agent.verdict(tool, bind_arguments(agent.tool(tool), dict(args)), user=user, nth=nth), "", []
        except PlangateError as error:
            return Verdict(action=Action.BLOCK, rule="binding", reason=error.message), "", error.details
    limits = [
        each.verdict(args, user=user, nth=nth)
        for each in agent.scope.actions_of(tool)
        if each.of is LimitOf.CALLS or (each.argument.partition(".")[0] in args and not refers(args, each.argument))
    ]
    fields = {condition.field.partition(".")[0] for condition in rule.when}
    open_ones = [name for name in fields if any(True for _ in expressions.references(args.get(name)))]
    if open_ones:
        return strictest([Verdict(action=Action.ALLOW, rule=f"scope.tools.{tool}"), *limits]), rule.text, []
    return strictest([rule.verdict(tool, args), *limits]), "", []
