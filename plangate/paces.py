"""Limits of a dependency: how often and how many at once it may be called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, model_validator

MINUTE = 60.0
_MARGIN = 1.01
"""Calls are spaced a hundredth wider than they might be, for those that begin up to half a second late."""


class Pace(BaseModel):
    """The limits of a dependency; what is None is not limited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: float | None = Field(default=None, gt=0, le=1_000_000)
    burst: int = Field(default=1, ge=1, le=1_000_000)
    """Calls that may come at once after a quiet time; part of the requests per minute."""
    at_once: int | None = Field(default=None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _burst_fits(self) -> Pace:
        if self.burst > 1 and self.burst > (self.requests_per_minute or 0):
            raise ValueError("`burst` is a part of `requests_per_minute` and can't be more")
        return self


class ModelPace(Pace):
    """The limits of a model's endpoint."""

    tokens_per_minute: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Of questions and answers together."""

    @property
    def limits(self) -> bool:
        """Whether anything is limited."""
        return (self.requests_per_minute, self.tokens_per_minute, self.at_once) != (None, None, None)

    @property
    def interval(self) -> timedelta:
        """Between two calls."""
        if self.requests_per_minute is None:
            return timedelta(0)
        return timedelta(seconds=MINUTE * _MARGIN / (self.requests_per_minute - self.burst + 1))

    @property
    def token(self) -> timedelta:
        """How long one token takes up."""
        return timedelta(seconds=MINUTE / self.tokens_per_minute) if self.tokens_per_minute else timedelta(0)

    @property
    def in_words(self) -> str:
        """For people: `60 requests a minute, 4 at once`."""
        return ", ".join(each for each in (self.requests_in_words, self.tokens_in_words, self.at_once_in_words) if each)

    @property
    def requests_in_words(self) -> str:
        """The limit of requests, or nothing."""
        return f"{self.requests_per_minute:g} requests a minute" if self.requests_per_minute else ""

    @property
    def tokens_in_words(self) -> str:
        """The limit of tokens, or nothing."""
        return f"{self.tokens_per_minute:,.0f} tokens a minute" if self.tokens_per_minute else ""

    @property
    def at_once_in_words(self) -> str:
        """The limit of calls at the same time, or nothing."""
        return f"{self.at_once} at once" if self.at_once else ""


def lower(paces: Iterable[Pace]) -> ModelPace:
    """The lowest of each limit."""
    found = [ModelPace.model_validate(pace.model_dump()) for pace in paces]
    requests = [pace.requests_per_minute for pace in found if pace.requests_per_minute is not None]
    tokens = [pace.tokens_per_minute for pace in found if pace.tokens_per_minute is not None]
    at_once = [pace.at_once for pace in found if pace.at_once is not None]
    bursts = [pace.burst for pace in found if pace.requests_per_minute is not None]
    rate = min(requests, default=None)
    burst = max(1, min(int(min(bursts, default=1)), int(rate or 1)))
    return ModelPace(
        requests_per_minute=rate,
        burst=burst,
        at_once=min(at_once, default=None),
        tokens_per_minute=min(tokens, default=None),
    )


def over(pace: Pace, chosen: Mapping[str, object]) -> ModelPace:
    """Limits, with some of them replaced."""
    return ModelPace.model_validate({**pace.model_dump(), **chosen})
