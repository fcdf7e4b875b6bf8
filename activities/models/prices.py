"""What a call costs: from the settings, else from `genai-prices`' bundled table, else unknown. No network."""

from __future__ import annotations

from collections.abc import Mapping

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from activities.models.contracts import Tokens
from activities.models.settings import ModelPrice
from plangate.runs import Usage

_MILLION = 1_000_000


def usage_of(model: str, tokens: Tokens | None, prices: Mapping[str, ModelPrice], *, alias: str = "") -> Usage:
    """The usage of one call, with its cost when that is known; otherwise the call counts as unpriced.

    Args:
        model: The model that answered, as the endpoint names it.
        tokens: None when the endpoint didn't say: then the cost is unknown too.
        prices: `PLANGATE_MODEL_PRICES`; they go before the table, since they are what the operator really pays.
        alias: The name that was asked for, another name to look up in `prices`.
    """
    if tokens is None:
        return Usage(calls=1, unpriced_calls=1, models=[model])
    cost = _cost(model, tokens, prices.get(model) or prices.get(alias))
    return Usage(
        calls=1,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cost_usd=round(cost, 9) if cost is not None else 0.0,
        unpriced_calls=0 if cost is not None else 1,
        models=[model],
    )


def _cost(model: str, tokens: Tokens, price: ModelPrice | None) -> float | None:
    if price is not None:
        cached = price.input if price.cached is None else price.cached
        fresh = max(tokens.input - tokens.cached, 0)
        return (fresh * price.input + tokens.cached * cached + tokens.output * price.output) / _MILLION
    used = PricedUsage(
        input_tokens=tokens.input, cache_read_tokens=min(tokens.cached, tokens.input), output_tokens=tokens.output
    )
    try:
        return float(calc_price(used, model).total_price)
    except (LookupError, ValueError):
        return None
