"""Fault plans: which call of the model goes wrong, how, and how often. Seeded, so a storm can be repeated."""

from __future__ import annotations

import random
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from workers.offline_model.prompts import Prompt


class Fault(StrEnum):
    """What can go wrong with a model."""

    RATE_LIMITED = "rate_limited"
    """429, with `Retry-After` by `retry_after`."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """429 with the code `insufficient_quota`: waiting doesn't help."""
    UNAUTHORIZED = "unauthorized"
    """401."""
    SERVER_ERROR = "server_error"
    """500."""
    UNAVAILABLE = "unavailable"
    """503, with `Retry-After` when one is given."""
    HANG = "hang"
    """No reply for `seconds`, then the connection is closed."""
    SLOW = "slow"
    """The right reply after `seconds`."""
    CUT = "cut"
    """The connection closes in the middle of the body or the stream."""
    NOT_JSON = "not_json"
    """A body that isn't JSON: a proxy's error page with status 200."""
    PROSE = "prose"
    """Plain words where JSON was asked for."""
    MALFORMED_JSON = "malformed_json"
    """The output stops half-way; the protocol around it is right."""
    WRONG_SCHEMA = "wrong_schema"
    """JSON that doesn't fit the schema."""
    UNKNOWN_TOOL = "unknown_tool"
    """A plan with a tool that doesn't exist."""
    REFUSAL = "refusal"
    EMPTY = "empty"
    """No text at all."""
    MEGABYTES = "megabytes"
    """An output of `megabytes` MB."""
    NOT_FINITE = "not_finite"
    """NaN and Infinity in the JSON."""
    DUPLICATE_KEYS = "duplicate_keys"
    DEEP = "deep"
    """JSON nested 5,000 levels deep."""


class Match(BaseModel):
    """Which calls a fault is for; what isn't given matches all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["plan", "revise", "answer"] | None = None
    agent: str | None = None
    model: str | None = None
    api: Literal["responses", "chat"] | None = None
    stream: bool | None = None
    contains: str | None = None
    """A text that the messages contain."""
    repair: bool | None = None
    """Only repairs (true) or only first tries (false)."""

    def fits(self, prompt: Prompt) -> bool:
        """Whether a call is meant."""
        pairs = [(self.task, prompt.task), (self.agent, prompt.agent), (self.model, prompt.model)]
        pairs += [(self.api, prompt.api)]
        if any(wanted is not None and wanted != is_ for wanted, is_ in pairs):
            return False
        if self.stream is not None and self.stream != prompt.stream:
            return False
        if self.repair is not None and self.repair != (prompt.repair > 0):
            return False
        return self.contains is None or self.contains in prompt.text


def _as_text(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


class FaultRule(BaseModel):
    """One line of a fault plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: Fault
    match: Match = Match()
    skip: int = Field(default=0, ge=0)
    """Leave out the first so many calls that match."""
    times: int | None = Field(default=None, ge=1)
    """How often at most; without it always."""
    probability: float = Field(default=1.0, gt=0, le=1)
    retry_after: Annotated[str | None, BeforeValidator(_as_text)] = None
    """The header as it is sent, or `date:30` for an HTTP date 30 seconds from now (`date:-30`: before)."""
    seconds: float = Field(default=3600.0, ge=0)
    megabytes: float = Field(default=5.0, gt=0, le=100)


class FaultPlan(BaseModel):
    """A fault plan as it stands in its YAML file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    faults: list[FaultRule] = Field(default_factory=list)


class FaultPlanError(Exception):
    """A fault plan that can't be used; the message has every mistake."""


def read_fault_plan(data: Any, *, source: str) -> FaultPlan:
    """Validate a fault plan.

    Raises:
        FaultPlanError: With every mistake.
    """
    try:
        return FaultPlan.model_validate({} if data is None else data)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors(include_url=False)]
        raise FaultPlanError(f"{source} is not a fault plan: " + "; ".join(lines)) from None


def load_fault_plan(path: Path) -> FaultPlan:
    """Read a fault plan from a YAML file.

    Raises:
        FaultPlanError: When it can't be read or has mistakes.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaultPlanError(f"{path} can't be read: {error}") from None
    return read_fault_plan(data, source=str(path))


class Injector:
    """Picks the fault of each call: the first rule of the plan that applies."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.replace(plan or FaultPlan())

    def replace(self, plan: FaultPlan) -> None:
        """Start over with another plan."""
        self.plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - repeatable on purpose
        self._matched = [0] * len(plan.faults)
        self.injected = [0] * len(plan.faults)
        """How often each rule of the plan was applied."""

    def pick(self, prompt: Prompt) -> FaultRule | None:
        """The fault of this call, if any."""
        for index, rule in enumerate(self.plan.faults):
            if not rule.match.fits(prompt):
                continue
            self._matched[index] += 1
            if self._matched[index] <= rule.skip:
                continue
            if rule.times is not None and self.injected[index] >= rule.times:
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            self.injected[index] += 1
            return rule
        return None
