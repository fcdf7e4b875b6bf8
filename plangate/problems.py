"""The mistakes of files that people write, gathered while they are read."""

from __future__ import annotations

from collections.abc import Sequence

from plangate.agents import ScopeProblem


class Problems:
    """Collects the mistakes of one folder or file; a mistake that is found twice is kept once."""

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
