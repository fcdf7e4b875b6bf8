"""The product's worker without guardrails: what they cost is the difference. For measuring only."""

import sys

from activities.guardrails import registry

registry.INPUT = registry.ACTION = registry.OUTPUT = ()

from activities.guardrails.forecasting import Forecasts  # noqa: E402 - only now: importers take the empty registry
from workers.worker import main  # noqa: E402


def _no_forecast(forecasts: Forecasts, *_: object) -> None:
    return None


if __name__ == "__main__":
    Forecasts.forecast = _no_forecast
    sys.exit(main())
