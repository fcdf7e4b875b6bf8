"""Preflight: which plans have their dependencies looked at before anything is done, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from plangate.plans import Step
from plangate.tool_policy import ToolPolicy


class PreflightWhen(StrEnum):
    """Before which plans."""

    AUTO = "auto"
    """Those with many steps or a step that may take long."""
    ALWAYS = "always"
    NEVER = "never"


class OnDown(StrEnum):
    """What a run does when a dependency that its plan needs is down."""

    WAIT = "wait"
    """Wait for it for a time, then decline."""
    DECLINE = "decline"
    ESCALATE = "escalate"


class PreflightRules(BaseModel):
    """`preflight` in `agent.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: PreflightWhen = PreflightWhen.AUTO
    steps: int = Field(default=8, ge=1, le=1000)
    """A plan with so many steps is long."""
    timeout: float = Field(default=60.0, gt=0, le=86400)
    """Seconds; a step whose tool may take longer takes long."""
    on_down: OnDown = OnDown.WAIT
    patience: float = Field(default=300.0, gt=0, le=86400)
    """Seconds to wait at most."""

    def due(self, steps: Iterable[Step], tools: Mapping[str, ToolPolicy]) -> bool:
        """Whether these steps have their dependencies looked at first."""
        ahead = list(steps)
        if self.when is not PreflightWhen.AUTO:
            return self.when is PreflightWhen.ALWAYS
        return len(ahead) >= self.steps or any(tools[step.tool].timeout_seconds > self.timeout for step in ahead)


def needed(steps: Iterable[Step]) -> list[str]:
    """Tools that these steps can't do without: of those that are neither optional nor have a fallback."""
    return sorted({step.tool for step in steps if not step.optional and step.fallback is None})


class PreflightTask(BaseModel):
    """Input of the local activity `preflight`."""

    run: str
    agent: str
    tools: list[str]


class Down(BaseModel):
    """A dependency that is down."""

    dependency: str
    why: str


class PreflightReport(BaseModel):
    """Result of `preflight`."""

    looked_at: list[str] = Field(default_factory=list)
    """Dependencies."""
    down: list[Down] = Field(default_factory=list)
    seconds: float = 0.0
    """Until it is worth looking again."""

    @property
    def in_words(self) -> str:
        """What is down."""
        return "; ".join(f"{each.dependency} is down ({each.why})" for each in self.down)
