"""A tool call that may be made: what was checked, and the time that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from activities.breakers import Permit
from activities.catalogue import LoadedAgent
from activities.fencing import Window
from activities.storage.budgets import Line
from plangate.errors import ErrorPayload
from plangate.replies import Difference
from plangate.tasks import ToolCall
from plangate.toolkit import Tool


@dataclass(frozen=True)
class Checked:
    """A call that may be made."""

    call: ToolCall
    agent: LoadedAgent
    tool: Tool
    args: BaseModel
    json_args: dict[str, Any]
    digest: str
    attempt: int
    permit: Permit
    window: Window
    """The time of this attempt."""
    last: bool = False
    """Whether Temporal makes no further attempt."""
    lines: Sequence[Line] = ()
    """What it is to reserve of budgets."""
    differences: list[Difference] = field(default_factory=list)
    """How answers of the far side differ from the tool's models."""


class AlreadyFailed(Exception):
    """The ledger says that the effect failed for sure."""

    def __init__(self, error: ErrorPayload) -> None:
        super().__init__(error.message)
        self.error = error
