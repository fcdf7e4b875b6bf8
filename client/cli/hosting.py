"""Commands that need the worker's side: handed over to programs of the `workers` package, with the same arguments."""

from __future__ import annotations

import os
import secrets
import sys
from typing import Annotated

import typer

from client.cli.options import AsJson, print_json

_PASS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
_PROGRAMS = {
    "up": ("workers.supervisor", [], "Start everything here: Temporal server with UI, worker."),
    "worker": ("workers.worker", [], "Start a worker for an existing Temporal server."),
    "setup": ("workers.setup", [], "Register the search attributes on an existing server."),
    "doctor": ("workers.doctor", [], "Say what is reachable, what is missing, and what to do."),
    "agents": ("workers.agents", [], "Agents: list, show, validate, new."),
    "plan": ("workers.agents", ["plan"], "Plans: validate FILE --agent AGENT."),
    "check": ("workers.check", [], "Say what guardrails make of a text, or of a plan (--plan FILE): --agent AGENT."),
    "guardrails": ("workers.guardrails", [], "Every guardrail, and how often it said what: --since 7d, --agent AGENT."),
    "dead-letters": (
        "workers.dead_letters",
        [],
        "Runs that failed for good: list, show, resolve, resume, discard, sweep.",
    ),
    "dependencies": ("workers.dependencies", [], "What runs depend on: up or down, limits, what waits; --reset NAME."),
    "credentials": ("workers.credentials", [], "Credentials of agents: list; when they expire, never their values."),
    "cost": ("workers.costs", ["cost"], "What models cost, by run, user, day …; budgets and what is left."),
    "budget": ("workers.costs", ["budget"], "Budgets: set, show."),
    "migrate": ("workers.migrate", [], "Bring the database to the current schema."),
    "offline-model": ("workers.offline_model", [], "Serve the offline model, which needs no key."),
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for name, (_, _, text) in _PROGRAMS.items():
        app.command(name, help=text, context_settings=_PASS, add_help_option=False)(_hand_over)
    app.command("demo")(demo)
    app.command("version")(version)


def _hand_over(context: typer.Context) -> None:
    module, before, _ = _PROGRAMS[context.info_name or ""]
    sys.stdout.flush()
    # -P: a folder `workers` in the current directory must not come before the installed package.
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *before, *context.args])  # noqa: S606


def demo(
    request: Annotated[
        str, typer.Argument(metavar="[REQUEST]", help="A sentence a customer would write.", show_default=False)
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            "--data", metavar="DIR", help="Data folder to use as it is (else a fresh one).", show_default=False
        ),
    ] = "",
    faults: Annotated[bool, typer.Option("--faults", help="A game day: the same while everything breaks.")] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Which storm, with --faults (else a new one).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show it all once: request, plan, gate, answer. No key needed."""
    from client.demo import run_demo

    if seed is not None and not faults:
        raise typer.BadParameter("it chooses a storm: add --faults", param_hint="--seed")
    storm = (secrets.randbelow(1000) if seed is None else seed) if faults else None
    raise typer.Exit(run_demo(request or os.environ.get("REQUEST", ""), data=data, as_json=as_json, storm=storm))


def version(as_json: AsJson = False) -> None:
    """Say which version this is."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        number = installed("plangate")
    except PackageNotFoundError:
        number = "unknown"
    if as_json:
        print_json({"plangate": number, "python": sys.version.split()[0]})
    else:
        print(f"plangate {number}")
