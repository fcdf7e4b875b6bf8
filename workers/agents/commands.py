"""The commands about agent folders and plan files.

Exit codes: 0 all is well, 1 mistakes were found, 2 wrong usage or an input that can't be read, 70 a defect of Plangate.
With `--json` one JSON object is written to standard output, errors included: `{"error": {type, message, details}}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.catalogue import Catalogue, LoadedAgent, agents_folder
from plangate.dependency_limits import disagreements
from plangate.errors import ErrorType, PlangateError
from workers.agents import pages
from workers.agents.checking import Checked, check_agents
from workers.agents.plan_files import check_plan, read_plan
from workers.new_agent import make_agent

EXIT_PROBLEMS = 1
EXIT_USAGE = 2
EXIT_BUG = 70

Agents = Annotated[
    str | None,
    typer.Option("--agents", envvar="PLANGATE_AGENTS", help="The folder of agent folders.", metavar="FOLDER"),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
agents_app = typer.Typer(no_args_is_help=True, help="Agents: list, show, validate, new.")
plan_app = typer.Typer(no_args_is_help=True, help="Plans: validate.")
app.add_typer(agents_app, name="agents")
app.add_typer(plan_app, name="plan")


@app.callback()
def _program() -> None:
    """Agent folders and plan files."""


@agents_app.command("list")
def list_agents(agents: Agents = None, as_json: Json = False) -> None:
    """List the agents, those with mistakes too."""
    folder = agents_folder(agents)
    catalogue = _load(folder)
    if as_json:
        _write(pages.list_data(folder, catalogue))
    else:
        pages.show_list(folder, catalogue)


@agents_app.command("show")
def show_agent(
    name: Annotated[str, typer.Argument(help="The agent's name.")], agents: Agents = None, as_json: Json = False
) -> None:
    """Show an agent: what it may do by which rule, its limits and settings."""
    agent = _agent(name, agents)
    if as_json:
        _write(pages.agent_data(agent))
    else:
        pages.show_agent(agent, os.environ)


@agents_app.command("validate")
def validate_agents(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER|NAME]...", help="Agents to check; all when left out.")
    ] = None,
    agents: Agents = None,
    as_json: Json = False,
) -> None:
    """List every mistake of agent folders, with file and line."""
    with contextlib.redirect_stdout(sys.stderr):
        checked = check_agents(what or [], agents)
    notes = disagreements({each.name: each.agent.settings for each in checked if each.agent is not None})
    if as_json:
        data = [each.data() for each in checked]
        _write({"ok": all(each.ok for each in checked), "agents": data, "notes": notes})
    else:
        pages.show_checked(checked, notes)
    _exit_with(checked)


@agents_app.command("new")
def new_agent(
    name: Annotated[str, typer.Argument(help="The new agent's name.")], agents: Agents = None, as_json: Json = False
) -> None:
    """Make a working agent folder to start from."""
    agent, files = make_agent(name, Path(agents or "agents").expanduser())
    if as_json:
        _write({"name": name, "folder": str(agent.folder), "version": agent.version, "files": files})
    else:
        pages.show_new(agent, files)


@plan_app.command("validate")
def validate_plan_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A plan in YAML or JSON; - reads standard input.")],
    agent: Annotated[str, typer.Option("--agent", help="The agent that is to carry the plan out.")],
    agents: Agents = None,
    as_json: Json = False,
) -> None:
    """List every mistake of a plan; of a right one show the steps, and where a person will be asked."""
    loaded = _agent(agent, agents)
    checked = check_plan(read_plan(file), loaded)
    if as_json:
        _write(checked.data(loaded))
    else:
        pages.show_plan(checked, loaded)
    if checked.problems:
        raise typer.Exit(EXIT_PROBLEMS)


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code. The word `agents` may be left out."""
    words = list(arguments)
    if words[:1] not in (["agents"], ["plan"]):
        words.insert(0, "agents")
    try:
        app(args=words, prog_name="plangate", standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    except PlangateError as error:
        _write_error(error, as_json="--json" in words)
        return EXIT_PROBLEMS if error.type is ErrorType.BROKEN_AGENT else EXIT_USAGE
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        bug = PlangateError(f"a defect of Plangate: {type(error).__name__}: {error}", type=ErrorType.BUG)
        _write_error(bug, as_json="--json" in words)
        return EXIT_BUG
    return 0


def _load(folder: Path) -> Catalogue:
    """The catalogue; what an agent's code prints when it is imported goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        return Catalogue.load([folder])


def _agent(name: str, agents: str | None) -> LoadedAgent:
    return _load(agents_folder(agents)).get(name)


def _exit_with(checked: Sequence[Checked]) -> None:
    if not all(each.ok for each in checked):
        raise typer.Exit(EXIT_PROBLEMS)


def _write(data: dict[str, Any]) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def _write_error(error: PlangateError, *, as_json: bool) -> None:
    if as_json:
        _write({"error": {"type": error.type.value, "message": error.message, "details": error.details}})
    else:
        pages.show_error(error)
