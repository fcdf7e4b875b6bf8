"""What a run will probably need, by what is known before any model call."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Forecast(BaseModel):
    """Model calls, tokens and cost of a run that needs no repair and no revision."""

    model_config = ConfigDict(frozen=True)

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    """None when a model's price isn't known: unknown, not nothing."""
    request_tokens: int = 0
    """Part of the input tokens: the request itself."""
