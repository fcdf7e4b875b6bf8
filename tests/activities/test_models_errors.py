"""`Retry-After` in all its forms, and the back-off without it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from activities.models.errors import MAX_BACKOFF_SECONDS, backoff_seconds, fault, retry_after_seconds
from activities.models.replies import CutOff

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "86400"}, 60.0),
        ({"retry-after": "1e999"}, 60.0),
        ({"retry-after": "inf"}, 60.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=20), usegmt=True)}, 20.0),
        ({"retry-after": format_datetime(NOW - timedelta(days=1), usegmt=True)}, 0.0),
        ({"retry-after": format_datetime(NOW + timedelta(days=900), usegmt=True)}, 60.0),
        ({"retry-after": "Mon, 04 May 2026 12:00:10 -0000"}, 10.0),
        ({"retry-after": "Mon, 99 May 2026 12:00:10 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=NOW) == seconds


def test_backoff_doubles_with_jitter_up_to_its_bound() -> None:
    for attempt, full in [(1, 1.0), (2, 2.0), (4, 8.0), (9, MAX_BACKOFF_SECONDS), (10_000, MAX_BACKOFF_SECONDS)]:
        waits = {backoff_seconds(attempt) for _ in range(50)}
        assert len(waits) > 1
        assert full / 2 <= min(waits) <= max(waits) <= full


def test_a_transient_error_says_when_it_is_tried_again() -> None:
    error = fault(CutOff("x"), attempted="asking", attempt=3)
    assert error.next_retry_delay is not None
    assert timedelta(seconds=2) <= error.next_retry_delay <= timedelta(seconds=4)
    assert error.details[0].attempts == 3
    assert error.details[0].next.startswith("tried again in ")


def test_the_last_attempt_says_so() -> None:
    error = fault(CutOff("x"), attempted="asking", attempt=4, max_attempts=4)
    assert error.details[0].next == "no attempt is left"
