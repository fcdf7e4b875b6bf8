"""Fault plans: which call of which dependency goes wrong, how, and how often. Seeded, so that a storm can be repeated.

`KINDS` says what can go wrong where; docs/fault-injection.md says it to people. Reading a file is `faultplan_file`,
injecting is `activities.injection`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from plangate.faults import DELAYS, Fault


class Match(BaseModel):
    """Further conditions on a call; what isn't given matches all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Literal["plan", "revise", "answer"] | None = None
    """The same as the rule's `call`."""
    agent: str | None = None
    model: str | None = None
    api: Literal["responses", "chat"] | None = None
    stream: bool | None = None
    contains: str | None = None
    """A text in the messages, the request's body, the e-mail or the statement."""
    repair: bool | None = None
    """Only repairs of a model's output (true) or only first tries (false)."""
    tool: str | None = None
    mode: Literal["ledger", "key", "check", "natural"] | None = None
    """The idempotency mode of the tool."""
    run: str | None = None

    def fits(self, facts: Mapping[str, Any]) -> bool:
        """Whether a call is meant; what is said of it has the names of these fields."""
        for name, wanted in self.model_dump(exclude_none=True).items():
            if name == "contains":
                if wanted not in str(facts.get(name, "")):
                    return False
            elif facts.get(name) != wanted:
                return False
        return True


def _as_text(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


class FaultRule(BaseModel):
    """One line of a fault plan."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    dependency: str = Field(default="model", min_length=1)
    call: str | None = None
    """A purpose of a model call, an operation of a service, a kind of statement, a kill point, a tool."""
    fault: Fault
    match: Match = Match()
    after: int = Field(default=0, ge=0, validation_alias=AliasChoices("after", "skip"))
    """Leave out the first so many calls that match."""
    times: int | None = Field(default=None, ge=1)
    """How often at most; without it always."""
    probability: float = Field(default=1.0, gt=0, le=1)
    retry_after: Annotated[str | None, BeforeValidator(_as_text)] = None
    """The header as it is sent, or `date:30` for an HTTP date 30 seconds from now (`date:-30`: before)."""
    seconds: float | None = Field(default=None, ge=0, le=86_400)
    megabytes: float = Field(default=5.0, gt=0, le=100)
    drift: Literal["renamed", "retyped", "added"] = "renamed"
    field: str | None = None
    """Which field drifts; without it the first."""

    @property
    def delay(self) -> float:
        """`seconds`, or what is usual for the fault."""
        return DELAYS.get(self.fault, 0.0) if self.seconds is None else self.seconds

    def fits(self, names: Collection[str], call: str, facts: Mapping[str, Any]) -> bool:
        """Whether a call is meant.

        Args:
            names: The names of its dependency.
            call: What is called there.
            facts: What the conditions of `match` look at.
        """
        return (
            self.dependency in names
            and (self.call is None or self.call == call)
            and (self.match.task is None or self.match.task == call)
            and self.match.model_copy(update={"task": None}).fits(facts)
        )


class FaultPlan(BaseModel):
    """A fault plan as it stands in its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    faults: list[FaultRule] = Field(default_factory=list)

    @property
    def digest(self) -> str:
        """Tells this plan from others."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def concerns(self, *dependencies: str) -> bool:
        """Whether there is a rule about one of these dependencies."""
        return any(rule.dependency in dependencies for rule in self.faults)


@dataclass
class Counts:
    """What has happened to the rules of a plan so far, by their position."""

    matched: list[int]
    injected: list[int]

    @classmethod
    def of(cls, plan: FaultPlan) -> Counts:
        """Nothing yet."""
        return cls([0] * len(plan.faults), [0] * len(plan.faults))


@dataclass(frozen=True)
class Pick:
    """What becomes of a call: the rules that it was counted for, and the one that strikes."""

    matched: tuple[int, ...] = ()
    rule: int | None = None


def pick(plan: FaultPlan, counts: Counts, names: Collection[str], call: str, facts: Mapping[str, Any]) -> Pick:
    """The fault of a call: that of the first rule that applies. Changes nothing; see `count`."""
    matched: list[int] = []
    for index, rule in enumerate(plan.faults):
        if rule.times is not None and counts.injected[index] >= rule.times:
            continue
        if not rule.fits(names, call, facts):
            continue
        matched.append(index)
        number = counts.matched[index] + 1
        if number > rule.after and (rule.probability == 1 or draw(plan.seed, index, number) < rule.probability):
            return Pick(tuple(matched), index)
    return Pick(tuple(matched))


def count(counts: Counts, picked: Pick) -> None:
    """Take down what became of a call."""
    for index in picked.matched:
        counts.matched[index] += 1
    if picked.rule is not None:
        counts.injected[picked.rule] += 1


def draw(seed: int, rule: int, number: int) -> float:
    """A number from 0 up to 1 for a rule's nth matching call; the same for the same seed, in every process."""
    digest = hashlib.sha256(f"{seed}:{rule}:{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
