"""Commands of people who decide: inbox, approve, reject, edit, respond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.cli.options import As, AsJson, Data, Reason, acting_person, console, go, json_object, print_json
from client.errors import ClientError, ExitCode

if TYPE_CHECKING:
    from plangate.approvals import ApprovalDecision, ApprovalRequest, Receipt

ApprovalId = Annotated[
    str, typer.Argument(metavar="ID", help="RUN/CALL, or RUN when exactly one waits.", show_default=False)
]
Digest = Annotated[
    str,
    typer.Option(
        "--digest",
        metavar="HEX",
        help="Only for these arguments: 16 or more digits of their SHA-256.",
        show_default=False,
    ),
]
BySignal = Annotated[bool, typer.Option("--signal", help="Send a signal: works while no worker answers; unconfirmed.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (inbox, approve, reject, edit, respond):
        app.command()(command)


def inbox(data: Data = None, as_json: AsJson = False) -> None:
    """List what waits for a decision, over all runs."""
    gates = go(_inbox(data))
    if as_json:
        print_json(gates)
        return
    from client.render.tables import print_inbox

    print_inbox(console(), gates)


async def _inbox(data: Path | None) -> list[ApprovalRequest]:
    from client.runs import Plangate

    plangate = await Plangate.connect(data)
    return await plangate.inbox()


def approve(
    id: ApprovalId,
    *,
    by: As = "",
    reason: Reason = "",
    digest: Digest = "",
    signal: BySignal = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let a call go ahead, with exactly the arguments that wait."""
    _answer(
        id, {"action": "approve", "by": by, "reason": reason, "digest": digest}, data, signal=signal, as_json=as_json
    )


def reject(
    id: ApprovalId,
    *,
    by: As = "",
    reason: Reason = "",
    digest: Digest = "",
    signal: BySignal = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Forbid a call."""
    _answer(
        id, {"action": "reject", "by": by, "reason": reason, "digest": digest}, data, signal=signal, as_json=as_json
    )


def edit(
    id: ApprovalId,
    *,
    args: Annotated[
        str,
        typer.Option("--args", metavar="JSON", help="The arguments to use instead, all of them.", show_default=False),
    ] = "",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change one argument (JSON or text); may be repeated."),
    ] = None,
    by: As = "",
    reason: Reason = "",
    digest: Digest = "",
    signal: BySignal = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Approve with other arguments; they are checked again."""
    if bool(args) == bool(change):
        raise ClientError("Say what to change: either --args JSON, or --set NAME=VALUE.", code=ExitCode.USAGE)
    wanted: dict[str, Any] = {"action": "edit", "by": by, "reason": reason, "digest": digest}
    if args:
        wanted["args"] = json_object(args, "--args")
    changes = dict(_change(text) for text in change or [])
    _answer(id, wanted, data, signal=signal, as_json=as_json, changes=changes)


def respond(
    id: ApprovalId,
    *,
    response: Annotated[
        str, typer.Option("--response", metavar="TEXT", help="The step's result: JSON or text.", show_default=False)
    ],
    by: As = "",
    reason: Reason = "",
    digest: Digest = "",
    signal: BySignal = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Answer yourself instead of the tool, which isn't called."""
    wanted = {"action": "respond", "by": by, "reason": reason, "digest": digest, "response": json_or_text(response)}
    _answer(id, wanted, data, signal=signal, as_json=as_json)


def json_or_text(text: str) -> Any:
    """A value that people type: JSON if it is JSON, else the text.

    Raises:
        ClientError: `USAGE`: it has a number that JSON doesn't have.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    from plangate.strictjson import not_finite

    if wrong := not_finite(value):
        hint = "Put it in quotes if it is meant as a text."
        raise ClientError(f"{text[:80]!r} can't be sent: {wrong}.", hint=hint, code=ExitCode.USAGE)
    return value


def _change(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ClientError(f"--set takes NAME=VALUE, not {text!r}.", code=ExitCode.USAGE)
    return name.strip(), json_or_text(value)


def _answer(
    id: str,
    wanted: dict[str, Any],
    data: Path | None,
    *,
    signal: bool,
    as_json: bool,
    changes: dict[str, Any] | None = None,
) -> None:
    wanted["by"] = acting_person(wanted["by"])
    run, decision, receipt = go(_send(id, wanted, data, signal, changes or {}))
    if as_json:
        told = receipt if receipt else {"status": "sent", "approval": decision.approval, "decision": decision}
        print_json(told)
        return
    print(_sentence(run, decision, receipt))
    for line in receipt.edits if receipt else []:
        print(f"  {line}")


def _sentence(run: str, decision: ApprovalDecision, receipt: Receipt | None) -> str:
    if receipt is None:
        sent = f"Sent {decision.action.value!r} for {decision.approval} as a signal"
        return f"{sent}; `plangate show {run}` tells what came of it."
    words = {"approve": "Approved", "reject": "Rejected", "edit": "Approved with changes", "respond": "Answered"}
    held = "; it waits for its gate to open" if receipt.status.value == "held" else ""
    return f"{words[decision.action.value]}: {decision.approval}{held}."


async def _send(
    id: str, wanted: dict[str, Any], data: Path | None, signal: bool, changes: dict[str, Any]
) -> tuple[str, ApprovalDecision, Receipt | None]:
    import uuid

    from client.decisions import find_gate
    from client.runs import Plangate
    from plangate.approvals import ApprovalDecision
    from plangate.keys import approval_id, split_approval_id

    plangate = await Plangate.connect(data)
    run, call = split_approval_id(id)
    direct = call and wanted["digest"] and not changes
    if not direct:
        run, gate = await find_gate(plangate.client, id, ask_worker=not signal)
        call = gate.call if gate else call
        if changes:
            wanted["args"] = {**_current(gate, id), **changes}
        if gate and not wanted["digest"]:
            wanted["digest"] = gate.digest
    decision = ApprovalDecision(approval=approval_id(run, call), id=uuid.uuid4().hex, **wanted)
    if not signal:
        return run, decision, await plangate.decide(run, decision)
    await plangate.expect_open(run)
    await plangate.signal(run, decision)
    return run, decision, None


def _current(gate: ApprovalRequest | None, id: str) -> dict[str, Any]:
    if gate is None:
        raise ClientError(f"No approval {id!r} waits, so there are no arguments to change; nothing was changed.")
    return gate.args
