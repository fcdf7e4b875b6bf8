"""What a call costs: from the settings, else from `genai-prices`' bundled table, else unknown. No network."""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Iterable, Mapping

import structlog
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot

from activities.models.contracts import Tokens
from activities.models.settings import ModelPrice
from plangate.runs import Usage

_MILLION = 1_000_000
_LOOK_UP = """
import dataclasses, pickle, sys
from genai_prices.data_snapshot import get_snapshot
found = {}
for model in sys.argv[1:]:
    try:
        provider, info = get_snapshot().find_provider_model(model, None, None, None)
    except LookupError:
        continue
    kept = found.setdefault(provider.id, dataclasses.replace(provider, models=[]))
    kept.models.append(info)
sys.stdout.buffer.write(pickle.dumps(list(found.values())))
"""
_log = structlog.get_logger(__name__)


async def load_prices(models: Iterable[str]) -> None:
    """Keep only these models' prices in memory: a process of its own reads the whole table, 10 MiB, and ends.

    What isn't among them is looked up in the whole table later on.
    """
    names = sorted(set(models))
    if not names:
        return  # every model has a price of the operator's: no process for nothing
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", _LOOK_UP, *names, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate()
    if child.returncode:
        _log.warning("prices not loaded beforehand", models=names)
        return
    providers = pickle.loads(output)  # noqa: S301 - from our own child
    set_custom_snapshot(DataSnapshot(providers=providers, from_auto_update=False))


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


def rates(model: str, prices: Mapping[str, ModelPrice]) -> tuple[float, float] | None:
    """USD for an input token and for an output token, of a small call; None when the price isn't known."""
    price = prices.get(model)
    into, out = (_cost(model, tokens, price) for tokens in (Tokens(input=1000), Tokens(output=1000)))
    return None if into is None or out is None else (into / 1000, out / 1000)


def _cost(model: str, tokens: Tokens, price: ModelPrice | None) -> float | None:
    if price is not None:
        cached = price.input if price.cached is None else price.cached
        fresh = max(tokens.input - tokens.cached, 0)
        return (fresh * price.input + tokens.cached * cached + tokens.output * price.output) / _MILLION
    used = PricedUsage(
        input_tokens=tokens.input, cache_read_tokens=min(tokens.cached, tokens.input), output_tokens=tokens.output
    )
    for _ in range(2):
        try:
            return float(calc_price(used, model).total_price)
        except (LookupError, ValueError):
            set_custom_snapshot(None)  # the whole table
    return None
