"""A worker's log: one JSON object a line on stderr."""

from __future__ import annotations

import logging
import sys
from typing import TextIO, cast

import structlog

from activities.credentials.masking import mask_line


class Unfailing:
    """A stream that loses what it can't write: a full disk under the log must not fail the call that is told of.

    Args:
        stream: Where lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, if that can be done."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # `ValueError`: it is closed
            return 0

    def flush(self) -> None:
        """Pass on what was written, if that can be done."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return


def configure_logs(level: str) -> None:
    """Structured logs: one JSON object a line on stderr."""
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)  # a failed call has its own line already
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
            mask_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
