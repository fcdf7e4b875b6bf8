"""Temporal's errors in plain words: what was attempted, why it failed, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from client.errors import ClientError, ExitCode, Unanswered

if TYPE_CHECKING:
    from temporalio.service import RPCError

SETUP_HINT = "Register them once with `plangate setup` (it only adds what is missing)."
WORKER_HINT = "Start one with `plangate up` (everything) or `plangate worker` (against this server)."


@contextmanager
def explained(attempt: str, *, run: str = "") -> Iterator[None]:
    """Turn what Temporal raises inside into a `ClientError`.

    Args:
        attempt: What is being done, for the message: "list the runs".
        run: The run that it is about.

    Raises:
        ClientError: In place of a Temporal error.
    """
    from temporalio.client import RPCTimeoutOrCancelledError, WorkflowQueryFailedError, WorkflowQueryRejectedError
    from temporalio.service import RPCError

    try:
        yield
    except RPCError as error:
        raise explain(error, attempt, run=run) from error
    except RPCTimeoutOrCancelledError as error:
        raise no_worker(attempt) from error
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise ClientError(f"Couldn't {attempt}: {error}", code=ExitCode.REFUSED) from error


def no_worker(attempt: str) -> Unanswered:
    """Nobody works on the task queue, or the worker is too busy."""
    return Unanswered(f"Couldn't {attempt}: no worker answered in time. The run itself is safe.", hint=WORKER_HINT)


def explain(error: RPCError, attempt: str, *, run: str = "") -> ClientError:
    """The `ClientError` of an answer of the server."""
    from temporalio.service import RPCStatusCode as Code

    text = str(error).strip()
    if error.status is Code.NOT_FOUND:
        return _not_found(text, attempt, run)
    if error.status in (Code.DEADLINE_EXCEEDED, Code.CANCELLED) or "no poller seen" in text:
        return no_worker(attempt)
    if error.status is Code.UNAVAILABLE:
        return ClientError(
            f"Couldn't {attempt}: the Temporal server doesn't answer ({_first_line(text)}).",
            hint="Is it still running? `plangate doctor` says what is reachable.",
            code=ExitCode.NO_SERVER,
        )
    if error.status in (Code.PERMISSION_DENIED, Code.UNAUTHENTICATED):
        return ClientError(
            f"Couldn't {attempt}: the Temporal server refuses access ({_first_line(text)}).",
            hint="Check TEMPORAL_API_KEY, the TLS settings and the namespace of your profile.",
            code=ExitCode.NO_SERVER,
        )
    if error.status is Code.RESOURCE_EXHAUSTED or "exceeded workflow execution limit" in text:
        about = f"the run {run!r}" if run else "the server"
        return ClientError(
            f"Couldn't {attempt}: {about} gets more at once than the Temporal server takes ({_first_line(text)}). "
            "Nothing was changed.",
            hint="Try again in a few seconds: a run that is flooded goes on in a new history, which takes more.",
            code=ExitCode.REFUSED,
        )
    if "search attribute" in text.lower() or "Plangate" in text:
        return ClientError(
            f"Couldn't {attempt}: this namespace lacks Plangate's search attributes ({_first_line(text)}).",
            hint=SETUP_HINT,
            code=ExitCode.NOT_SET_UP,
        )
    return ClientError(f"Couldn't {attempt}: {_first_line(text)}", code=ExitCode.REFUSED)


def _not_found(text: str, attempt: str, run: str) -> ClientError:
    if "namespace" in text.lower() and "not found" in text.lower():
        return ClientError(
            f"Couldn't {attempt}: {_first_line(text)}",
            hint="Name an existing one in TEMPORAL_NAMESPACE or your profile.",
            code=ExitCode.NO_SERVER,
        )
    if (
        "already completed" in text or "closing workflow" in text
    ):  # the second: it ended while the server held an update
        return ClientError(f"Couldn't {attempt}: the run {run!r} has ended; nothing was changed.")
    what = f"there is no run {run!r}" if run else _first_line(text)
    return ClientError(
        f"Couldn't {attempt}: {what} on this server.", hint="`plangate runs` lists them.", code=ExitCode.NOT_FOUND
    )


def _first_line(text: str) -> str:
    return (text.splitlines() or [""])[0][:300]
