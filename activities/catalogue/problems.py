"""The mistakes of an agent folder, gathered while it is read."""

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


class Problems:
    """Collects the mistakes of one folder; a mistake that is found twice is kept once."""

    def __init__(self) -> None:
        self._found: dict[ScopeProblem, None] = {}

    def add(self, file: str, line: int | None, problem: str) -> None:
        """Note a mistake in a line (from 1) of a file, or in the file as a whole."""
        self._found[ScopeProblem(file=file, line=line, problem=problem)] = None

    def extend(self, problems: Sequence[ScopeProblem]) -> None:
        """Note mistakes found elsewhere."""
        self._found.update(dict.fromkeys(problems))

    def sorted(self) -> list[ScopeProblem]:
        """All mistakes by file and line."""
        return sorted(self._found, key=lambda problem: (problem.file, problem.line or 0))

    def __bool__(self) -> bool:
        return bool(self._found)
