"""An attempt's window: while it is open the attempt may send; afterwards another one may have taken its place.

Temporal gives an attempt up after its time limit or after silence, but can't stop it. So each attempt stops itself:
what it calls is bounded by what is left of its window, which ends before Temporal's own limit, and right before an
effect it looks whether the window is still open. A successor of a `check` tool waits until the window is over, see
`activities.ledger`. Between that look and the effect a process can be frozen; this gap can't be closed from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from plangate.errors import ErrorType, PlangateError

OF_LIMIT = 0.95
"""Part of an attempt's time limit that it may use, so that it ends before Temporal gives it up."""


@dataclass(frozen=True)
class Window:
    """When an attempt has to be over, by this process's monotonic clock, which no correction of the time moves.

    Attributes:
        ends: Reading of `clock`.
        limit: Seconds of the whole attempt.
        clock: Monotonic seconds.
    """

    ends: float
    limit: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def since(cls, began: float, *, limit: float) -> Window:
        """The window of an attempt.

        Args:
            began: When it began, by `time.monotonic`.
            limit: Seconds it may take.
        """
        return cls(began + limit * OF_LIMIT, limit)

    def renewed(self, *, given: float | None) -> Window:
        """The window of a call whose turn has come: waiting for it was not the tool's time.

        Args:
            given: Seconds that Temporal gives the attempt, waiting included; None without a limit.
        """
        ends = self.clock() + self.limit * OF_LIMIT
        if given is not None:
            ends = min(ends, self.ends + (given - self.limit) * OF_LIMIT)
        return replace(self, ends=max(ends, self.ends))

    @property
    def left(self) -> float:
        """Seconds until it is over; 0 afterwards."""
        return max(self.ends - self.clock(), 0.0)

    @property
    def is_open(self) -> bool:
        """Whether the attempt may still send."""
        return self.clock() < self.ends

    def deadline(self) -> datetime:
        """When it is over, by the worker's clock, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.left)

    def check(self) -> None:
        """Go on only while the window is open.

        Raises:
            GaveUp: It is over.
        """
        if not self.is_open:
            raise GaveUp(f"this attempt's time, {self.limit:g} s, was over before anything was sent")


class GaveUp(PlangateError):
    """The attempt ended by itself before it had an effect."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type=ErrorType.TIMEOUT)


class Replaced(PlangateError):
    """Another attempt of the same effect has taken over; this one's end doesn't count."""

    def __init__(self) -> None:
        super().__init__("another attempt has taken this one's place", type=ErrorType.TIMEOUT)


class Held(Exception):
    """An earlier attempt may still be sending, so this one can't even ask whether it did.

    Args:
        seconds: How long at most.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"an earlier attempt may still be under way for {seconds:.1f} s")
        self.seconds = seconds


class StillRunning(TimeoutError):
    """A sync tool met its limit, and its thread goes on: it can't be stopped.

    Args:
        message: What to say.
        thread: What the thread will have done.
    """

    def __init__(self, message: str, thread: Future[Any]) -> None:
        super().__init__(message)
        self.thread = thread
