"""Faults of tools, mapped to Plangate's types and Temporal's retries.

what the tool raised                                    type               tried again
ToolError(...)                                          Business           no: the planner sees it
ToolError(transient=True)                               Unavailable        yes, after `retry_after` if given
ToolError(permanent=True)                               Permanent          no
time limit, TimeoutError, httpx2.TimeoutException       Timeout            yes
connection refused, name not found                      Network            yes (nothing was sent)
connection lost, HTTP 5xx, database unavailable         Unavailable        yes
mail server says 4xx                                    Unavailable        yes
mail server says 5xx, refuses every recipient           Permanent          no
HTTP 429                                                RateLimited        yes, after `Retry-After`
HTTP 401, 403                                           Authentication     no
other HTTP 4xx                                          Permanent          no
ResponseDrift, from `ToolContext.reply`                 ResponseDrift      no
anything else                                           Bug                no
"""

from __future__ import annotations

import random
import smtplib
import socket
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from temporalio.exceptions import ApplicationError

from activities.credentials.masking import KNOWN
from activities.models.errors import MAX_RETRY_AFTER_SECONDS, retry_after_seconds
from plangate.errors import ErrorKind, ErrorPayload, ErrorType, PlangateError
from plangate.redaction import small
from plangate.tool_context import ToolError
from plangate.tool_policy import RetrySettings

MAX_MESSAGE = 2000
"""Characters of a fault's reason kept: what a tool raises may quote a whole page."""
MAX_DETAILS = 50
MAX_DETAIL = 300
"""Characters of one detail."""


def classify(error: BaseException) -> tuple[ErrorType, str, float | None]:
    """An error's type, its reason in words, and the wait that it asks for in seconds."""
    match error:
        case ToolError():
            return error.type, error.message, error.retry_after
        case PlangateError():
            return error.type, error.message, None
        case httpx2.HTTPStatusError():
            return _by_status(error)
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | ConnectionRefusedError() | socket.gaierror():
            return ErrorType.NETWORK, f"no connection: {error}", None
        case httpx2.TimeoutException() | TimeoutError():
            return ErrorType.TIMEOUT, str(error) or "it took too long", None
        case smtplib.SMTPResponseException():
            passing = 400 <= error.smtp_code < 500
            return (ErrorType.UNAVAILABLE if passing else ErrorType.PERMANENT), f"mail server: {error}", None
        case smtplib.SMTPRecipientsRefused():
            passing = any(400 <= code < 500 for code, _ in error.recipients.values())
            return (ErrorType.UNAVAILABLE if passing else ErrorType.PERMANENT), f"mail server: {error}", None
        case IntegrityError() | ProgrammingError() | DataError():
            return ErrorType.BUG, f"the database refused: {error.orig}", None
        case DBAPIError():
            return ErrorType.UNAVAILABLE, f"the database answered: {error.orig}", None
        case FileNotFoundError() | FileExistsError() | IsADirectoryError() | NotADirectoryError() | PermissionError():
            return ErrorType.BUG, f"it raised {type(error).__name__}: {error}", None
        case httpx2.TransportError() | OSError() | smtplib.SMTPException():
            return ErrorType.UNAVAILABLE, f"the connection broke: {type(error).__name__}: {error}", None
    return ErrorType.BUG, f"it raised {type(error).__name__}: {error}", None


def _by_status(error: httpx2.HTTPStatusError) -> tuple[ErrorType, str, float | None]:
    status = error.response.status_code
    wait = retry_after_seconds(error.response.headers)
    types = {
        401: ErrorType.AUTHENTICATION,
        403: ErrorType.AUTHENTICATION,
        408: ErrorType.TIMEOUT,
        429: ErrorType.RATE_LIMITED,
    }
    default = ErrorType.UNAVAILABLE if status >= 500 else ErrorType.PERMANENT
    return types.get(status, default), f"HTTP {status} from {error.request.url.host}", wait


def payload(
    error: BaseException, *, tool: str, step: str, args: dict[str, Any] | None = None, attempt: int = 1
) -> ErrorPayload:
    """What went wrong, in the one shape for errors; bounded, since it enters history."""
    type_, reason, _ = classify(error)
    reason = _cut(KNOWN.mask(reason), MAX_MESSAGE)
    return ErrorPayload(
        type=type_,
        message=reason if type_ is ErrorType.BUSINESS else f"{tool} failed: {reason}",
        attempted=tool,
        step=step,
        input=_small(args) if args is not None else None,
        attempts=attempt,
        details=_few([KNOWN.mask(line) for line in error.details]) if isinstance(error, PlangateError) else [],
        guard=error.guard if isinstance(error, PlangateError) else "",
        rule=error.rule if isinstance(error, PlangateError) else "",
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _few(details: list[str]) -> list[str]:
    more = [f"and {len(details) - MAX_DETAILS} more"] if len(details) > MAX_DETAILS else []
    return [_cut(line, MAX_DETAIL) for line in details[:MAX_DETAILS]] + more


def _small(args: dict[str, Any]) -> dict[str, Any] | None:
    """The redacted arguments, or None when even so they are large."""
    shown = small(args)
    return None if shown is None else KNOWN.masked(shown)


def application_error(error: BaseException, payload: ErrorPayload, *, retries: RetrySettings) -> ApplicationError:
    """The failure that an activity raises: retryable for transient faults, with a delay that has jitter."""
    _, _, wait = classify(error)
    retryable = payload.type.kind is ErrorKind.TRANSIENT
    delay: float | None = None
    if retryable:
        delay = (
            backoff_seconds(payload.attempts, retries)
            if wait is None
            else min(max(wait, 0.001), MAX_RETRY_AFTER_SECONDS)
        )
        last = payload.attempts >= retries.max_attempts
        payload = payload.model_copy(update={"next": "no attempt is left" if last else f"tried again in {delay:.1f} s"})
    return ApplicationError(
        payload.message,
        payload,
        type=payload.type.value,
        non_retryable=not retryable,
        next_retry_delay=timedelta(seconds=delay) if delay is not None else None,
    )


def backoff_seconds(attempt: int, retries: RetrySettings) -> float:
    """The wait before the next attempt: exponential, half of it jitter."""
    full = min(retries.initial_seconds * retries.backoff ** min(attempt - 1, 30), retries.max_seconds)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
