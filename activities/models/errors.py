"""Errors of a model endpoint, mapped to Plangate's types and Temporal's retries.

    status or failure                                   type             tried again
    429                                                 RateLimited      yes
    429 with code insufficient_quota, 402               QuotaExhausted   no
    401, 403, no key                                    Authentication   no
    400, 404 (unknown model), 413, 422, other 4xx       InvalidInput     no
    408, 504, time-out                                  Timeout          yes
    409, 425, other 5xx, failed reply, not JSON         Unavailable      yes
    connection refused or lost, stream cut off          Network          yes
    a reply larger than `MAX_REPLY_BYTES`               ModelMalformed   no

The header `x-should-retry` overrules the column "tried again", save for an exhausted quota.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2
import openai
from temporalio.exceptions import ApplicationError

from plangate.errors import ErrorKind, ErrorPayload, ErrorType

MAX_RETRY_AFTER_SECONDS = 60.0
"""An endpoint that asks for a longer wait is asked again after this time; the attempts are bounded anyway."""
BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
MAX_REASON = 500
"""Characters of an endpoint's own words that are kept."""

_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_STATUSES = {
    401: ErrorType.AUTHENTICATION,
    402: ErrorType.QUOTA_EXHAUSTED,
    403: ErrorType.AUTHENTICATION,
    408: ErrorType.TIMEOUT,
    409: ErrorType.UNAVAILABLE,
    425: ErrorType.UNAVAILABLE,
    429: ErrorType.RATE_LIMITED,
    504: ErrorType.TIMEOUT,
}
_CODES = {"rate_limit_exceeded": ErrorType.RATE_LIMITED, **dict.fromkeys(_QUOTA, ErrorType.QUOTA_EXHAUSTED)}
_ADVICE = {
    ErrorType.AUTHENTICATION: "check OPENAI_API_KEY and what it may use",
    ErrorType.QUOTA_EXHAUSTED: "raise the quota or the budget at the provider, or use another key",
    ErrorType.INVALID_INPUT: "check the model's name, PLANGATE_MODEL_API and OPENAI_BASE_URL",
}


class ModelFailure(Exception):
    """The endpoint answered, but not with an answer."""

    def __init__(self, type: ErrorType, message: str) -> None:
        super().__init__(message)
        self.type = type


def failure_of_code(code: str | None, message: str) -> ModelFailure:
    """The failure that an endpoint reports inside a reply or a stream, by its code."""
    return ModelFailure(_CODES.get(code or "", ErrorType.UNAVAILABLE), message or code or "no reason given")


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """How long the far side asks to wait: from `retry-after-ms`, or `retry-after` in seconds or as an HTTP date.

    Args:
        headers: A response's headers, in any case.
        now: For an HTTP date; the current time by default.

    Returns:
        Seconds between 0 (a negative number, a date that has passed) and `MAX_RETRY_AFTER_SECONDS`, or None when
        there is no such header or it can't be read.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(lower.get(name))
        if seconds is not None:
            return min(max(seconds / per_second, 0.0), MAX_RETRY_AFTER_SECONDS)
    try:
        date = parsedate_to_datetime(lower.get("retry-after", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    wait = (date - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait, 0.0), MAX_RETRY_AFTER_SECONDS)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(number) else number


def backoff_seconds(attempt: int) -> float:
    """The wait before the next attempt when nobody says how long: doubled each time, with jitter."""
    full = min(BACKOFF_SECONDS * 2.0 ** min(attempt - 1, 16), MAX_BACKOFF_SECONDS)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def fault(
    error: BaseException, *, attempted: str, attempt: int = 1, max_attempts: int = 0, secret: str = ""
) -> ApplicationError:
    """The failure that an activity raises for an error of a model call.

    Args:
        error: From the `openai` client, `httpx2`, `asyncio.timeout` or `ModelFailure`.
        attempted: What was attempted, for people.
        attempt: The activity's attempt, for the back-off.
        max_attempts: After which nobody tries again; 0 for never.
        secret: The key; it is removed from whatever the endpoint says.
    """
    type_, reason = _classify(error)
    headers: Mapping[str, str] = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    asked = headers.get("x-should-retry", "").lower()
    retryable = type_.kind is ErrorKind.TRANSIENT and asked != "false"
    if asked == "true" and type_ is not ErrorType.QUOTA_EXHAUSTED and not retryable:
        type_, retryable = ErrorType.UNAVAILABLE, True
    wait = retry_after_seconds(headers)
    # Temporal takes a delay of zero for none at all.
    delay = max(backoff_seconds(attempt) if wait is None else wait, 0.001) if retryable else None
    message = f"{attempted} failed: {_clean(reason, secret)}"
    return application_error(type_, message, attempt=attempt, max_attempts=max_attempts, delay=delay)


def application_error(
    type_: ErrorType,
    message: str,
    *,
    attempt: int = 1,
    max_attempts: int = 0,
    delay: float | None = None,
    details: list[str] | None = None,
) -> ApplicationError:
    """An `ApplicationError` whose one detail is an `ErrorPayload`; without a delay in seconds it isn't retried."""
    advice = _ADVICE.get(type_, "")
    last = attempt >= max_attempts > 0
    again = "no attempt is left" if last else f"tried again in {delay or 0:.1f} s"
    next_ = advice if delay is None else again
    payload = ErrorPayload(
        type=type_, message=message, attempted="model call", attempts=attempt, next=next_, details=details or []
    )
    return ApplicationError(
        message if delay is not None or not advice else f"{message}; {advice}",
        payload,
        type=type_.value,
        non_retryable=delay is None or last,
        next_retry_delay=timedelta(seconds=delay) if delay is not None else None,
    )


def type_of(error: BaseException) -> ErrorType:
    """The type of an error of a model call."""
    return _classify(error)[0]


def patience_of(error: BaseException) -> float | None:
    """The seconds of patience that an endpoint asks for."""
    return retry_after_seconds(error.response.headers) if isinstance(error, openai.APIStatusError) else None


def _classify(error: BaseException) -> tuple[ErrorType, str]:
    match error:
        case ModelFailure():
            return error.type, str(error)
        case openai.APIStatusError():
            return _by_status(error), f"HTTP {error.status_code}: {_words(error)}"
        case openai.APITimeoutError() | httpx2.TimeoutException() | TimeoutError():
            return ErrorType.TIMEOUT, "the endpoint didn't answer in time"
        case openai.APIConnectionError() | httpx2.RequestError():
            cause = error.__cause__ or error
            return ErrorType.NETWORK, f"no connection, or it broke off: {cause}"
        case openai.APIError():  # an error event inside a stream
            return failure_of_code(error.code or error.type, "").type, error.message
    return ErrorType.UNAVAILABLE, f"the reply has an unexpected form ({type(error).__name__}: {error})"


def _by_status(error: openai.APIStatusError) -> ErrorType:
    status = error.status_code
    if status == 429 and {error.code, error.type} & _QUOTA:
        return ErrorType.QUOTA_EXHAUSTED
    if status in _STATUSES:
        return _STATUSES[status]
    return ErrorType.UNAVAILABLE if status >= 500 else ErrorType.INVALID_INPUT


def _words(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    return error.message


def _clean(text: str, secret: str) -> str:
    plain = " ".join(text.split())
    return (plain.replace(secret, "[key]") if secret else plain)[:MAX_REASON]
