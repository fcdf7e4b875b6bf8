"""Commands that only look: show, runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client.cli.options import AsJson, Data, RunId, console, go, print_json

if TYPE_CHECKING:
    from client.listing import RunLine


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(show)
    app.command()(runs)


def show(
    run: RunId,
    timeline: Annotated[bool, typer.Option("--timeline", help="With everything that happened, line by line.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show one run: its plan, what waits, how it ended."""
    found = go(_show(run, data, timeline or as_json))
    if as_json:
        print_json(found)
    else:
        _print_run(found)


async def _show(run: str, data: Path | None, timeline: bool) -> dict[str, Any]:
    from client.results import as_ended
    from client.runs import Plangate

    plangate = await Plangate.connect(data)
    ended = await plangate.has_ended(run)
    status = await plangate.status(run)
    result = await plangate.result(run) if ended else None
    return {
        "run": run,
        "status": as_ended(status, result) if result else status,
        "plan": await plangate.plan(run),
        "result": result,
        "timeline": await plangate.timeline(run) if timeline else [],
        "ui": plangate.target.run_url(run),
    }


def _print_run(found: dict[str, Any]) -> None:
    from client.render.run import print_run
    from client.render.tables import print_timeline

    out = console()
    print_run(out, found["status"], found["result"], url=found["ui"])
    if found["timeline"]:
        out.print()
        print_timeline(out, found["timeline"])


def runs(
    *,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", show_default=False, help="Only of this agent.")] = "",
    status: Annotated[
        str,
        typer.Option(
            "--status",
            metavar="STATUS",
            show_default=False,
            help="Only with this status: waiting, running, paused, terminated, timed_out, or an outcome.",
        ),
    ] = "",
    user: Annotated[str, typer.Option("--user", show_default=False, help="Only asked by this user.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 20,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List runs: unfinished ones first, then the newest."""
    lines = go(_runs(data, agent, status, user, limit))
    if as_json:
        print_json(lines)
        return
    from client.render.tables import print_runs

    print_runs(console(), lines)


async def _runs(data: Path | None, agent: str, status: str, user: str, limit: int) -> list[RunLine]:
    from client.runs import Plangate

    plangate = await Plangate.connect(data)
    return await plangate.runs(agent=agent, status=status, user=user, limit=limit)
