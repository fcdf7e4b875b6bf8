"""Answering gates: finding the one that is meant, and sending the decision."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from client.errors import ClientError, ExitCode, Unanswered
from client.failures import explained, no_worker
from plangate.approvals import ApprovalDecision, ApprovalRequest, Receipt, ReceiptStatus
from plangate.keys import split_approval_id

if TYPE_CHECKING:
    from temporalio.client import Client

CONFIRM_SECONDS = 10.0
"""Longest wait for a worker to confirm a decision."""
SIGNAL_HINT = (
    "Nothing was sent. With --signal the same command sends it as a signal: the server keeps it until a worker is "
    "back; nobody confirms it, `plangate show RUN` tells what became of it."
)
_CHANGED = (ReceiptStatus.APPLIED, ReceiptStatus.HELD)


async def decide(client: Client, run: str, decision: ApprovalDecision) -> Receipt:
    """Send a decision as the update `decide`. Sent again with the same id it is the same decision.

    Raises:
        ClientError: `REFUSED` with the worker's reason when nothing was changed.
        Unanswered: When no worker confirmed it in time. It was sent: a worker that comes back may still apply it.
    """
    from temporalio.client import WorkflowUpdateFailedError
    from temporalio.exceptions import ApplicationError

    if wrong := decision.not_finite:
        raise refused(wrong)
    handle = client.get_workflow_handle(run)
    try:
        with explained("send the decision", run=run):
            receipt: Receipt = await handle.execute_update(
                "decide",
                decision,
                result_type=Receipt,
                id=decision.id or None,
                rpc_timeout=timedelta(seconds=CONFIRM_SECONDS),
            )
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        reason = cause.message if isinstance(cause, ApplicationError) else str(cause)
        raise refused(reason) from error
    except Unanswered as error:
        raise unconfirmed(run) from error
    if receipt.status not in _CHANGED:
        raise refused(receipt.message or receipt.status.value, receipt.problems)
    return receipt


def unconfirmed(run: str) -> Unanswered:
    """A decision that is on its way: the server hands it to the next worker, but may forget it when it restarts."""
    return Unanswered(
        f"The decision was sent, but no worker confirmed it within {CONFIRM_SECONDS:g} seconds. "
        "It may still count, once a worker is back.",
        hint=f"`plangate show {run}` tells what became of it. `plangate up` and `plangate worker` start a worker.",
    )


def refused(reason: str, problems: list[str] | None = None) -> ClientError:
    """A decision that changed nothing."""
    text = reason[:1].upper() + reason[1:]
    if "nothing was changed" not in text:
        text += "; nothing was changed"
    return ClientError(f"{text}.", code=ExitCode.REFUSED, details=problems)


async def find_gate(client: Client, approval: str, *, ask_worker: bool = True) -> tuple[str, ApprovalRequest | None]:
    """The run and the waiting gate that an id means.

    Args:
        client: A connected client.
        approval: `RUN/CALL`, or `RUN` when exactly one gate of it waits.
        ask_worker: False to use what the server knows (for decisions by signal).

    Returns:
        The run's id and the gate; None when no gate of that name waits (the workflow then says why not).

    Raises:
        ClientError: No such run; or the id doesn't say which of several gates is meant.
    """
    for run, call in _readings(approval):
        try:
            gates = await _waiting(client, run, ask_worker=ask_worker)
        except ClientError as error:
            if error.code is ExitCode.NOT_FOUND and call and "/" in approval:
                continue
            raise
        return run, _choose(run, call, gates)
    run = split_approval_id(approval)[0]
    raise ClientError(
        f"There is no run {run!r} on this server.", hint="`plangate inbox` lists what waits.", code=ExitCode.NOT_FOUND
    )


def _readings(approval: str) -> list[tuple[str, str]]:
    """An id with a slash is `RUN/CALL`; only if there is no such run it may be a run id that has a slash."""
    run, call = split_approval_id(approval)
    return [(run, call), (approval, "")] if call else [(run, "")]


def _choose(run: str, call: str, gates: list[ApprovalRequest]) -> ApprovalRequest | None:
    if call:
        return next((gate for gate in gates if gate.call == call), None)
    if len(gates) == 1:
        return gates[0]
    if not gates:
        raise ClientError(f"Nothing waits for a decision in the run {run!r}; nothing was changed.")
    listed = [f"{gate.id}  {gate.title or gate.tool}" for gate in gates]
    raise ClientError(
        f"{len(gates)} approvals wait in the run {run!r}: say which one.", code=ExitCode.USAGE, details=listed
    )


async def _waiting(client: Client, run: str, *, ask_worker: bool) -> list[ApprovalRequest]:
    from client.listing import gates_of_memo

    handle = client.get_workflow_handle(run)
    with explained("look up the approval", run=run):
        if ask_worker:
            try:
                gates: list[ApprovalRequest] = await handle.query(
                    "pending_approvals",
                    result_type=list[ApprovalRequest],
                    rpc_timeout=timedelta(seconds=CONFIRM_SECONDS / 2),
                )
            except Exception as error:
                raise_if_unanswered(error)
                raise
            return gates
        found = await handle.describe()
        return gates_of_memo(await found.memo()) or []


def raise_if_unanswered(error: Exception) -> None:
    """Say what a person who decides can do when no worker answers.

    Raises:
        Unanswered: With the hint about signals.
    """
    from temporalio.service import RPCError

    from client.failures import explain

    if isinstance(error, RPCError):
        told = explain(error, "look up the approval")
        if isinstance(told, Unanswered):
            raise Unanswered(no_worker("look up the approval").message, hint=SIGNAL_HINT) from error
