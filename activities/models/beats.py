"""Heartbeats beside a model call, and the time that is left for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from temporalio import activity

DEFAULT_SECONDS = 10.0
"""Between two beats of an activity without a heartbeat time-out: how fast a cancellation arrives."""
MODEL_ATTEMPTS = 4
"""A fault in this attempt is the last one. Temporal may allow more, for attempts that wait for a circuit breaker."""
STREAM_SECONDS = 0.15
"""Between two beats that carry text."""


class Beats:
    """Beats while a `with` block runs in an activity; carries the text of a streamed answer.

    Heartbeats are how a cancellation reaches the activity: as `asyncio.CancelledError` in what it awaits.

    Args:
        failed: Attempts that failed before the activity had to wait for its turn.
    """

    def __init__(self, failed: int = 0) -> None:
        info = activity.info()
        self.attempt = info.attempt + failed
        allowed = info.retry_policy.maximum_attempts if info.retry_policy else 0
        self.max_attempts = min(allowed + failed if allowed else 0, MODEL_ATTEMPTS)
        limit = info.heartbeat_timeout.total_seconds() if info.heartbeat_timeout else 0.0
        self._interval = min(limit / 3, DEFAULT_SECONDS) if limit else DEFAULT_SECONDS
        total = info.start_to_close_timeout
        self._deadline = time.monotonic() + total.total_seconds() * 0.95 if total else None
        self._details: tuple[Any, ...] = ()
        self._last_text = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Beats:
        self._schedule()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._beat)

    def _beat(self) -> None:
        activity.heartbeat(*self._details)
        self._schedule()

    def text(self, text: str) -> None:
        """Beat with the text so far, `{"text", "attempt"}`; at most every `STREAM_SECONDS`."""
        now = time.monotonic()
        self._details = ({"text": text, "attempt": self.attempt},)
        if now - self._last_text >= STREAM_SECONDS:
            self._last_text = now
            activity.heartbeat(*self._details)

    def seconds(self, limit: float) -> float:
        """The time-out for the next call: the limit, or what is left before the activity's own time-out, if less."""
        if self._deadline is None:
            return limit
        return max(min(limit, self._deadline - time.monotonic()), 0.001)
