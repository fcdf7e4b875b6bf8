"""The command that starts runs: run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.cli.options import (
    As,
    AsJson,
    Data,
    acting_person,
    console,
    go,
    interactive,
    json_object,
    print_json,
    sendable,
    standard_input,
)
from client.errors import ClientError, ExitCode, outcome_code

if TYPE_CHECKING:
    from client.runs import Plangate, Started
    from plangate.run_status import RunResult
    from plangate.runs import RunRequest

MAX_PLAN_BYTES = 1_000_000

AgentName = Annotated[str, typer.Argument(metavar="AGENT", help="Who is asked.", show_default=False)]
Request = Annotated[
    str,
    typer.Argument(metavar="REQUEST", help='What is asked, in words; "-" reads it from the input.', show_default=False),
]
NoWatch = Annotated[bool, typer.Option("--no-watch", help="Start it and return at once.")]
NoAsk = Annotated[bool, typer.Option("--no-ask", help="Don't ask at gates here; they wait in the inbox.")]
ChosenId = Annotated[
    str,
    typer.Option("--id", metavar="RUN", help="The run's id; the same id twice is the same run.", show_default=False),
]
User = Annotated[str, typer.Option("--user", metavar="NAME", help="For whom.", show_default=False)]
Session = Annotated[
    str, typer.Option("--session", metavar="ID", help="The conversation that it belongs to.", show_default=False)
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Your own plan, YAML or JSON; gated like any other.")
]
Input = Annotated[
    str, typer.Option("--input", metavar="JSON", help="Structured input that plans can refer to.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(run)


def run(
    agent: AgentName,
    request: Request,
    *,
    no_watch: NoWatch = False,
    id: ChosenId = "",
    user: User = "",
    session: Session = "",
    plan: PlanFile = None,
    input: Input = "",
    by: As = "",
    no_ask: NoAsk = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ask an agent for something and watch it work."""
    wanted = {
        "agent": sendable(agent, "The agent's name"),
        "request": standard_input() if request == "-" else sendable(request, "The request"),
        "user": sendable(user, "--user") or None,
        "session": sendable(session, "--session") or None,
        "plan": sendable(read_plan(plan), f"The plan {str(plan)!r}") if plan else None,
        "input": sendable(json_object(input, "--input"), "--input") if input else {},
        "stream": not (no_watch or as_json),
    }
    asks = interactive() and not no_ask and not as_json
    ended = go(_run(wanted, id, data, watched=not no_watch, as_json=as_json, by=acting_person(by) if asks else None))
    raise typer.Exit(ended)


async def _run(
    wanted: dict[str, Any], id: str, data: Path | None, *, watched: bool, as_json: bool, by: str | None
) -> int:
    from client.runs import Plangate
    from plangate.runs import RunRequest

    request = RunRequest.model_validate(wanted)
    plangate = await Plangate.connect(data)
    started = await plangate.start(request, id=id or None)
    if not watched:
        _tell_started(started, as_json)
        return ExitCode.OK
    if as_json:
        result = await plangate.result(started.run)
        print_json(result)
        return outcome_code(result.outcome)
    result = await watch_run(plangate, started, request, by)
    return outcome_code(result.outcome)


async def watch_run(plangate: Plangate, started: Started, request: RunRequest, by: str | None) -> RunResult:
    """Watch a run in the terminal to its end and print its result.

    Args:
        plangate: Where the run is.
        started: The run.
        request: What was asked.
        by: Who answers gates at this terminal; None shows them only.
    """
    import asyncio

    from client.cli.asking import Asker
    from client.cli.following import Follower
    from client.render.outcome import print_result
    from client.render.run import print_request

    out = console()
    if not started.created:
        request = await _asked_before(plangate, started.run, request)
    print_request(out, started.run, request.agent, request.request, request.user)
    if not started.created:
        out.print(f"The run {started.run} was there already; this is the same run.", style="yellow")
    ask = Asker(plangate, out, by).ask if by is not None else None
    try:
        result = await Follower(plangate, started.run, out, ask=ask).follow()
    except asyncio.CancelledError:
        out.print(f"The run goes on. Come back with `plangate show {started.run}`.", style="dim")
        raise
    print_result(out, result, url=started.ui)
    return result


async def _asked_before(plangate: Plangate, run: str, now: RunRequest) -> RunRequest:
    """What the run was really asked, by whom; what is asked now when no worker tells."""
    try:
        status = await plangate.status(run)
    except ClientError:
        return now
    return now.model_copy(update={"agent": status.agent, "request": status.request, "user": status.user})


def _tell_started(started: Started, as_json: bool) -> None:
    if as_json:
        print_json(started)
        return
    print(f"{'Started' if started.created else 'Was there already:'} {started.run}")
    print(f"  plangate show {started.run}")
    if started.ui:
        print(f"  {started.ui}")


def read_plan(file: Path) -> dict[str, Any]:
    """A plan file, YAML or JSON; it is validated by the agent, not here.

    Raises:
        ClientError: `USAGE` when the file can't be read.
    """
    import yaml

    try:
        if file.stat().st_size > MAX_PLAN_BYTES:
            raise ClientError(f"The plan {str(file)!r} is larger than {MAX_PLAN_BYTES:,} bytes.", code=ExitCode.USAGE)
        plan = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ClientError(f"The plan {str(file)!r} can't be read: {error.strerror}.", code=ExitCode.USAGE) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ClientError(f"The plan {str(file)!r} is neither YAML nor JSON: {told}", code=ExitCode.USAGE) from None
    if not isinstance(plan, dict):
        raise ClientError(
            f"The plan {str(file)!r} has to be an object with `steps`.",
            hint="`plangate plan validate FILE --agent AGENT` says what is wrong with a plan.",
            code=ExitCode.USAGE,
        )
    return plan
