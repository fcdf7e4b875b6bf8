"""What the client says when something can't be done, and the exit code of each case.

    ClientError              a message for people, a hint what to do, an exit code
    └── Unanswered           no worker answered in time: the run is safe, the question can be asked again

This module is imported by every command, so it imports nothing that is slow.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `plangate`; stable (docs/cli.md)."""

    OK = 0
    """Done. For a run: completed, or degraded (the answer says what is missing)."""
    REFUSED = 1
    """Nothing was changed: the decision came too late, twice, or for other arguments; or a check found mistakes."""
    USAGE = 2
    """The command line or an input file is wrong."""
    NO_SERVER = 3
    """No Temporal server answered, or it doesn't let us in."""
    NOT_FOUND = 4
    """There is no such run or approval."""
    NO_WORKER = 5
    """The server is there, but no worker answered in time. The run is safe."""
    NOT_SET_UP = 6
    """The server lacks Plangate's search attributes: `plangate setup`."""
    DECLINED = 10
    REJECTED = 11
    ESCALATED = 12
    FAILED = 13
    CANCELLED = 14
    BUG = 70
    """A defect of Plangate."""
    INTERRUPTED = 130
    """Ctrl-C. A run that was watched goes on."""

    @property
    def word(self) -> str:
        """The name in JSON output: `not_found`."""
        return self.name.lower()


_OUTCOMES = {
    "completed": ExitCode.OK,
    "degraded": ExitCode.OK,
    "declined": ExitCode.DECLINED,
    "rejected": ExitCode.REJECTED,
    "escalated": ExitCode.ESCALATED,
    "failed": ExitCode.FAILED,
    "cancelled": ExitCode.CANCELLED,
}


def outcome_code(outcome: str) -> ExitCode:
    """The exit code of `plangate run` for a `plangate.runs.Outcome`."""
    return _OUTCOMES.get(str(outcome), ExitCode.FAILED)


class ClientError(Exception):
    """Something can't be done.

    Args:
        message: What was attempted and why it failed.
        hint: What to do next; may have several lines.
        code: The exit code.
        details: Further facts, one line each.
    """

    def __init__(
        self, message: str, *, hint: str = "", code: ExitCode = ExitCode.REFUSED, details: list[str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.details = details or []


class Unanswered(ClientError):
    """No worker answered in time."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, code=ExitCode.NO_WORKER)
