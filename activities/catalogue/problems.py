"""The error of an agent folder with mistakes."""

from __future__ import annotations

from collections.abc import Sequence

from plangate.agents import ScopeProblem
from plangate.errors import ErrorType, PlangateError


class BrokenAgent(PlangateError):
    """An agent folder with mistakes.

    Args:
        name: The agent's name.
        problems: Every mistake, with its file and line.

    Attributes:
        problems: As given.
    """

    def __init__(self, name: str, problems: Sequence[ScopeProblem]) -> None:
        self.problems = list(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__(
            f"the agent {name!r} can't be loaded: its folder has {count}; see `plangate agents validate {name}`",
            type=ErrorType.BROKEN_AGENT,
            details=[str(problem) for problem in self.problems],
        )
