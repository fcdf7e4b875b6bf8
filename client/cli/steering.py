"""Commands that change the course of a run: cancel, pause, resume, cancel-step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from client.cli.options import As, AsJson, Data, Reason, RunId, acting_person, go, print_json

if TYPE_CHECKING:
    from client.runs import Plangate


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (cancel, pause, resume):
        app.command()(command)
    app.command("cancel-step")(cancel_step)


def cancel(run: RunId, data: Data = None, as_json: AsJson = False) -> None:
    """Stop a run: tools in flight finish, nothing new starts."""
    go(_cancel(run, data))
    _tell(as_json, run, "cancel", f"Asked {run} to stop. `plangate show {run}` tells when it has.")


def pause(run: RunId, by: As = "", reason: Reason = "", data: Data = None, as_json: AsJson = False) -> None:
    """Start nothing new in a run until it is resumed."""
    go(_steer(run, data, "pause", by=acting_person(by), reason=reason))
    _tell(as_json, run, "pause", f"Paused {run}. Go on with `plangate resume {run}`.")


def resume(run: RunId, by: As = "", reason: Reason = "", data: Data = None, as_json: AsJson = False) -> None:
    """Go on with a paused run."""
    go(_steer(run, data, "resume", by=acting_person(by), reason=reason))
    _tell(as_json, run, "resume", f"Resumed {run}.")


def cancel_step(
    run: RunId,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The step's id; see `plangate show RUN`.")],
    *,
    by: As = "",
    reason: Reason = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take one step out of a run."""
    go(_cancel_step(run, data, step, acting_person(by), reason))
    _tell(as_json, run, "cancel_step", f"Asked {run} to leave out {step}.")


async def _cancel(run: str, data: object) -> None:
    plangate = await _connect(data)
    await plangate.cancel(run)


async def _steer(run: str, data: object, signal: str, **payload: str) -> None:
    plangate = await _connect(data)
    await plangate.expect_open(run)
    await plangate.steer(run, signal, **payload)


async def _cancel_step(run: str, data: object, step: str, by: str, reason: str) -> None:
    from client.errors import ClientError, ExitCode

    plangate = await _connect(data)
    await plangate.expect_open(run)
    status = await plangate.status(run)
    found = next((one for one in status.steps if one.id == step), None)
    if found is None:
        raise ClientError(
            f"The run {run!r} has no step {step!r}.",
            hint="Its steps: " + (", ".join(one.id for one in status.steps) or "none yet"),
            code=ExitCode.NOT_FOUND,
        )
    if found.status.ended:
        raise ClientError(f"The step {step!r} is already {found.status.value}; nothing was changed.")
    await plangate.steer(run, "cancel_step", step=step, by=by, reason=reason)


async def _connect(data: object) -> Plangate:
    from client.runs import Plangate

    return await Plangate.connect(str(data) if data else None)


def _tell(as_json: bool, run: str, action: str, text: str) -> None:
    if as_json:
        print_json({"run": run, "action": action, "sent": True})
    else:
        print(text)
