"""The guardrail `input.forecast`: what can't fit or would cost too much isn't begun."""

from __future__ import annotations

from activities.guardrails.contracts import Asked
from plangate.policy import Action, Verdict


def affordable(asked: Asked) -> Verdict | None:
    """Refuse a request whose prompt can't fit the model's budget of tokens, or would cost more than the scope says."""
    if asked.forecasts is None:
        return None
    request = asked.request.model_copy(update={"request": asked.text})
    size, most = asked.forecasts.largest_prompt(asked.agent, request), asked.forecasts.prompt_tokens
    # An estimate may be a quarter too high: only what is certainly too large is refused here.
    if asked.request.plan is None and size > most * 4 // 3:
        return Verdict(
            action=Action.BLOCK,
            rule="forecast.tokens",
            reason="The request with what comes with it is longer than can be read at once. Please shorten it.",
            detail=f"about {size:,} tokens for the planner; at most {most:,}",
        )
    limit = asked.agent.scope.guardrails.forecast_usd
    cost = asked.forecasts.forecast(asked.agent, request).cost_usd if limit is not None else None
    if limit is not None and cost is not None and cost > limit:
        return Verdict(
            action=Action.BLOCK,
            rule="forecast.cost",
            reason="Answering this would cost more than we may spend on one request. Please make it shorter.",
            detail=f"forecast ${cost:.4f}; at most ${limit:.4f}",
        )
    return None
