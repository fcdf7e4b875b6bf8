from __future__ import annotations

import smtplib
import socket
from typing import Any

import httpx2
import pytest
from sqlalchemy import exc

from activities import faults
from activities.models.errors import MAX_RETRY_AFTER_SECONDS
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.tool_context import ToolError
from plangate.tool_policy import RetrySettings

REQUEST = httpx2.Request("POST", "https://pay.example/refunds?token=secret")


def http(status: int, **headers: str) -> httpx2.HTTPStatusError:
    response = httpx2.Response(status, headers={name.replace("_", "-"): text for name, text in headers.items()})
    return httpx2.HTTPStatusError("failed", request=REQUEST, response=response)


@pytest.mark.parametrize(
    ("error", "type"),
    [
        (ToolError("no"), ErrorType.BUSINESS),
        (ToolError("busy", transient=True), ErrorType.UNAVAILABLE),
        (ToolError("gone", permanent=True), ErrorType.PERMANENT),
        (ToolError("?", permanent=True, type=ErrorType.OUTCOME_UNKNOWN), ErrorType.OUTCOME_UNKNOWN),
        (PlangateError("x", type=ErrorType.BLOCKED), ErrorType.BLOCKED),
        (TimeoutError(), ErrorType.TIMEOUT),
        (httpx2.ReadTimeout("slow", request=REQUEST), ErrorType.TIMEOUT),
        (httpx2.ConnectTimeout("slow", request=REQUEST), ErrorType.NETWORK),
        (httpx2.ConnectError("refused", request=REQUEST), ErrorType.NETWORK),
        (ConnectionRefusedError(), ErrorType.NETWORK),
        (socket.gaierror(-2, "Name or service not known"), ErrorType.NETWORK),
        (ConnectionResetError(), ErrorType.UNAVAILABLE),
        (BrokenPipeError(), ErrorType.UNAVAILABLE),
        (OSError(101, "Network is unreachable"), ErrorType.UNAVAILABLE),
        (httpx2.ReadError("cut", request=REQUEST), ErrorType.UNAVAILABLE),
        (smtplib.SMTPServerDisconnected("cut"), ErrorType.UNAVAILABLE),
        (smtplib.SMTPDataError(451, b"later"), ErrorType.UNAVAILABLE),
        (smtplib.SMTPDataError(554, b"no"), ErrorType.PERMANENT),
        (smtplib.SMTPRecipientsRefused({"a@b": (550, b"unknown")}), ErrorType.PERMANENT),
        (smtplib.SMTPRecipientsRefused({"a@b": (450, b"later")}), ErrorType.UNAVAILABLE),
        (exc.OperationalError("SELECT 1", {}, Exception("locked")), ErrorType.UNAVAILABLE),
        (exc.IntegrityError("INSERT", {}, Exception("twice")), ErrorType.BUG),
        (exc.ProgrammingError("SELEC", {}, Exception("syntax")), ErrorType.BUG),
        (FileNotFoundError("rates.csv"), ErrorType.BUG),
        (PermissionError("rates.csv"), ErrorType.BUG),
        (KeyError("x"), ErrorType.BUG),
        (http(401), ErrorType.AUTHENTICATION),
        (http(403), ErrorType.AUTHENTICATION),
        (http(404), ErrorType.PERMANENT),
        (http(408), ErrorType.TIMEOUT),
        (http(409), ErrorType.PERMANENT),
        (http(429), ErrorType.RATE_LIMITED),
        (http(500), ErrorType.UNAVAILABLE),
        (http(503), ErrorType.UNAVAILABLE),
    ],
)
def test_every_fault_has_its_type(error: Exception, type: ErrorType) -> None:
    found, reason, _ = faults.classify(error)
    assert found is type
    assert reason
    assert "secret" not in reason


@pytest.mark.parametrize(
    ("error", "low", "high"),
    [
        (ToolError("x", transient=True, retry_after=7), 7, 7),
        (ToolError("x", transient=True, retry_after=-5), 0.001, 0.001),
        (ToolError("x", transient=True, retry_after=1e12), MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS),
        (ToolError("x", transient=True, retry_after=float("nan")), 2, 4),
        (http(429, retry_after="11"), 11, 11),
        (http(503, retry_after_ms="2500"), 2.5, 2.5),
        (http(429, retry_after="soon"), 2, 4),
        (http(500), 2, 4),
    ],
)
def test_what_is_tried_again_waits_as_asked_or_with_jitter(error: Exception, low: float, high: float) -> None:
    retries = RetrySettings(initial_seconds=4, max_seconds=60)
    failure = faults.application_error(error, faults.payload(error, tool="t", step="s"), retries=retries)
    assert not failure.non_retryable
    assert failure.next_retry_delay is not None
    assert low <= failure.next_retry_delay.total_seconds() <= high
    assert "tried again in" in failure.details[0].next


def test_what_is_not_transient_is_not_tried_again() -> None:
    for error in (ToolError("gone", permanent=True), KeyError("x"), http(404), http(401)):
        failure = faults.application_error(error, faults.payload(error, tool="t", step="s"), retries=RetrySettings())
        assert failure.non_retryable
        assert failure.next_retry_delay is None


def test_the_last_attempt_says_so() -> None:
    error = ToolError("busy", transient=True)
    payload = faults.payload(error, tool="t", step="s", attempt=3)
    for attempts, words in ((3, "no attempt is left"), (4, "tried again")):
        failure = faults.application_error(error, payload, retries=RetrySettings(max_attempts=attempts))
        assert words in failure.details[0].next


def test_the_wait_doubles_up_to_its_bound_and_half_of_it_is_jitter() -> None:
    retries = RetrySettings(initial_seconds=1, max_seconds=5)
    for attempt, full in ((1, 1), (2, 2), (3, 4), (4, 5), (1000, 5)):
        waits = [faults.backoff_seconds(attempt, retries) for _ in range(200)]
        assert full / 2 <= min(waits) < max(waits) <= full
        assert max(waits) - min(waits) > full / 4


def payload(error: Exception, **args: Any) -> ErrorPayload:
    return faults.payload(error, tool="pay", step="p", args=args, attempt=2)


def test_the_payload_says_what_was_attempted_with_what() -> None:
    found = payload(ToolError("gone", permanent=True), amount=5, api_key="hunter2", note="x" * 1000)
    assert (found.message, found.attempted, found.step, found.attempts) == ("pay failed: gone", "pay", "p", 2)
    assert found.input is not None
    assert found.input["amount"] == 5
    assert "hunter2" not in found.model_dump_json()
    assert len(found.input["note"]) < 250


def test_a_business_error_is_in_the_tools_own_words() -> None:
    assert payload(ToolError("already shipped")).message == "already shipped"


def test_the_payload_is_small_whatever_the_tool_raised() -> None:
    """It enters history with every attempt."""
    wide = {str(a): {str(b): {str(c): "x" * 200 for c in range(20)} for b in range(20)} for a in range(20)}
    error = PlangateError("m" * 5_000_000, type=ErrorType.INVALID_RESULT, details=["d" * 10_000] * 100_000)
    found = payload(error, **wide)
    assert found.input is None
    assert found.details[-1] == "and 99950 more"
    assert len(found.model_dump_json()) < 20_000
    assert len(payload(ValueError("v" * 5_000_000)).message) < 3000
