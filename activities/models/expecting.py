"""What one call of a model will probably need, written down beside what it did need."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from activities.models.contracts import ModelCall
from activities.models.prices import rates
from activities.models.settings import ModelAccessSettings
from activities.models.tokens import estimate
from plangate.strictjson import canonical

OUTPUT_TOKENS = {"plan": 330, "revise": 330, "answer": 90}
"""Tokens of a usual answer, by task; measured over the example agent's requests."""
USUAL_OUTPUT = 100


def forecast_of(call: ModelCall, settings: ModelAccessSettings) -> dict[str, Any]:
    """The fields of a usage row: tokens, and USD where the price is known."""
    into = _fixed(call.instructions) + sum(estimate(message.text) for message in call.messages)
    if call.schema is not None:
        into += _fixed(_schema(call))
    out = OUTPUT_TOKENS.get(call.purpose.task, USUAL_OUTPUT)
    price = _price(call.model, settings)
    usd = None if price is None else round(into * price[0] + out * price[1], 9)
    return {"forecast_tokens": into + out, "forecast_usd": usd}


@lru_cache(maxsize=256)
def _fixed(text: str) -> int:
    """Tokens of a text that comes again with each call."""
    return estimate(text)


_schemas: dict[int, tuple[Any, str]] = {}


def _schema(call: ModelCall) -> str:
    """A schema as text. Schemas are made once, so that one is known by its identity while it is kept here."""
    assert call.schema is not None
    known = _schemas.get(id(call.schema))
    if known is None or known[0] is not call.schema:
        if len(_schemas) > 100:
            _schemas.clear()
        known = _schemas[id(call.schema)] = (call.schema, canonical(dict(call.schema.schema)))
    return known[1]


_prices: dict[str, tuple[ModelAccessSettings, tuple[float, float] | None]] = {}


def _price(model: str, settings: ModelAccessSettings) -> tuple[float, float] | None:
    known = _prices.get(model)
    if known is None or known[0] is not settings:
        known = _prices[model] = (settings, rates(model, settings.prices))
    return known[1]
