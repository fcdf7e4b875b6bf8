"""The forecast: calls, tokens and cost of a run by what is known before any model call. No network, no tokenizer."""

from __future__ import annotations

from functools import cache

from activities.models.prices import rates
from activities.models.settings import ModelAccessSettings, Role
from activities.models.tokens import estimate
from activities.prompts.planner import Agent, PlannerPrompt, planner_message, proposal_schema
from activities.prompts.responder import responder_instructions
from activities.prompts.sections import dumps, text_section
from plangate.forecasts import Forecast
from plangate.runs import RunRequest
from plangate.tasks import PlanTask

PLAN_TOKENS = 330
"""Tokens of a usual plan: three steps. An estimate, like the two below: with the example's requests and the offline
model, forecasts were about 30 % above what was used."""
ANSWER_TOKENS = 90
"""Tokens of a usual answer."""
RESULT_TOKENS = 900
"""Tokens of what three steps found, as the answering model reads them."""


class Forecasts:
    """Forecasts runs. The parts of prompts that stay the same are counted once for each version of an agent.

    Args:
        models: How models are reached: which one does what, and their prices.
    """

    def __init__(self, models: ModelAccessSettings) -> None:
        self._models = models
        self._fixed: dict[str, tuple[str, int, int]] = {}
        self._rates: dict[str, tuple[float, float] | None] = {}

    def forecast(self, agent: Agent, request: RunRequest) -> Forecast:
        """What a run with this request will probably need, if no plan has to be repaired or revised."""
        plan_fixed, answer_fixed = self._fixed_tokens(agent)
        asked = estimate(request.request)
        answer_in = answer_fixed + estimate(text_section("request", "")) + asked + RESULT_TOKENS
        calls = [(Role.ANSWER, answer_in, ANSWER_TOKENS)]
        if request.plan is None:
            task = PlanTask(
                run="", agent=agent.name, request="", user=request.user, input=request.input, today="2026-01-01"
            )
            calls.append((Role.PLAN, plan_fixed + asked + estimate(planner_message(task, {})), PLAN_TOKENS))
        costs = [self._cost(agent, role, into, out) for role, into, out in calls]
        known = [cost for cost in costs if cost is not None]
        return Forecast(
            calls=len(calls),
            input_tokens=sum(into for _, into, _ in calls),
            output_tokens=sum(out for _, _, out in calls),
            cost_usd=round(sum(known), 6) if len(known) == len(costs) else None,
            request_tokens=asked,
        )

    def largest_prompt(self, agent: Agent, request: RunRequest) -> int:
        """Tokens of the planner's prompt, which is the largest one that can't be shortened."""
        task = PlanTask(run="", agent=agent.name, request=request.request, input=request.input)
        return self._fixed_tokens(agent)[0] + estimate(planner_message(task, {}))

    @property
    def prompt_tokens(self) -> int:
        """Tokens that a prompt may have."""
        return self._models.prompt_tokens

    def _fixed_tokens(self, agent: Agent) -> tuple[int, int]:
        known = self._fixed.get(agent.name)
        if known is None or known[0] != agent.version:
            plan = estimate(PlannerPrompt.of(agent).plan) + _schema_tokens()
            known = self._fixed[agent.name] = (agent.version, plan, estimate(responder_instructions(agent)))
        return known[1], known[2]

    def _cost(self, agent: Agent, role: Role, into: int, out: int) -> float | None:
        model = self._models.model_for(role, agent.settings.models)
        if model not in self._rates:
            self._rates[model] = rates(model, self._models.prices)
        found = self._rates[model]
        return None if found is None else into * found[0] + out * found[1]


def forecast(agent: Agent, request: RunRequest, models: ModelAccessSettings) -> Forecast:
    """What a run with this request will probably need; for many of them keep a `Forecasts`."""
    return Forecasts(models).forecast(agent, request)


@cache
def _schema_tokens() -> int:
    """The JSON schema of a plan, which goes with each call of the planner."""
    return estimate(dumps(proposal_schema().schema))
