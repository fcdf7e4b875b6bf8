"""Plans and revisions out of rules: the first situation that holds, its template filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from plangate.plans import Plan, PlanProposal, Step
from workers.offline_model.expressions import fill, fill_text, holds, quiet_value
from workers.offline_model.loading import step_fields
from workers.offline_model.prompts import Prompt
from workers.offline_model.reading import understand
from workers.offline_model.rules import Rules, Situation


class BrokenTemplate(Exception):
    """A template that doesn't give a plan with these values; the message names it."""


def propose(rules: Rules, prompt: Prompt) -> PlanProposal:
    """What to do about a request, or about what happened since.

    Raises:
        BrokenTemplate: When a template, filled, isn't a plan.
    """
    intent, scope = understand(rules, prompt)
    if intent is None:
        return _decline(rules, scope)
    situations = rules.intents[intent].plan
    if prompt.task == "revise":
        situations = rules.intents[intent].revise
        scope = {**scope, **what_happened(prompt.progress)}
    for number, situation in enumerate(situations):
        if holds(situation.when, scope):
            return _proposal(rules, situation, _with_values(situation, scope), f"{intent}.{prompt.task}[{number}]")
    if prompt.task == "revise":
        return PlanProposal(action="plan", plan=Plan(goal=_goal_so_far(prompt.progress)))
    return _decline(rules, scope)


def _decline(rules: Rules, scope: dict[str, Any]) -> PlanProposal:
    return PlanProposal(action="decline", message=fill_text(rules.decline, scope) or rules.decline)


def _with_values(situation: Situation, scope: dict[str, Any]) -> dict[str, Any]:
    values = dict(scope)
    for name, expression in situation.let.items():
        values[name] = quiet_value(expression, values)
    return values


def what_happened(report: Mapping[str, Any]) -> dict[str, Any]:
    """The scope of results: step id → result, `steps`: step id → the whole report, and the other fields.

    A step without a result has none, so an expression about it is null.
    """
    steps = {str(step["id"]): step for step in report.get("steps") or [] if isinstance(step, dict) and step.get("id")}
    results = {name: step.get("result") for name, step in steps.items()}
    other = {key: value for key, value in report.items() if key not in ("steps", "plan")}
    return {**results, **other, "steps": steps, "all": list(steps.values())}


def _goal_so_far(progress: Mapping[str, Any]) -> str:
    plan = progress.get("plan")
    return str(plan.get("goal") or "")[:500] if isinstance(plan, dict) else ""


def _proposal(rules: Rules, situation: Situation, scope: dict[str, Any], where: str) -> PlanProposal:
    if situation.decline is not None:
        return PlanProposal(action="decline", message=fill_text(situation.decline, scope) or situation.decline)
    if situation.hand_over is not None:
        return PlanProposal(action="hand_over", message=fill_text(situation.hand_over, scope) or situation.hand_over)
    try:
        steps = [
            Step.model_validate(fill(step_fields(rules, step), scope))
            for step in situation.steps or []
            if holds(step.only_if, scope)
        ]
        ended = scope.get("steps") or {}
        steps = [step for step in steps if step.id not in ended]
        plan = Plan(goal=fill_text(situation.goal, scope) or "", needs=situation.needs, steps=steps)
    except ValidationError as error:
        issue = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in issue["loc"])
        raise BrokenTemplate(f"the template {where} gives no plan for this request: {field}: {issue['msg']}") from None
    return PlanProposal(action="plan", plan=plan)
