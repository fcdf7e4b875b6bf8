"""The command `plangate check`.

Exit codes: 0 nothing is refused, 1 the plan has mistakes or a call would be refused, 2 wrong usage or an input that
can't be read, 70 a defect of Plangate. With `--json` one JSON object is written, errors included.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from activities.catalogue import Catalogue, LoadedAgent, agents_folder
from activities.models.settings import ModelAccessSettings
from plangate import strictjson
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.runs import RunRequest
from workers.check import page
from workers.check.plans import check_plan_file

EXIT_PROBLEMS = 1
EXIT_USAGE = 2
EXIT_BUG = 70

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def check(
    plan: Annotated[str, typer.Option("--plan", metavar="FILE", help="A plan, YAML or JSON; - is standard input.")],
    agent: Annotated[str, typer.Option("--agent", help="The agent that is to carry it out.")],
    request: Annotated[
        str, typer.Option("--request", help="What the person asks; it names what calls may be about.")
    ] = "",
    user: Annotated[str | None, typer.Option("--user", help="Who asks.")] = None,
    input: Annotated[str, typer.Option("--input", help="The structured input, as a JSON object.")] = "{}",
    agents: Annotated[
        str | None,
        typer.Option("--agents", envvar="PLANGATE_AGENTS", help="The folder of agent folders.", metavar="FOLDER"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Say of a plan what would be asked, of whom and why, with the origin of every argument. Runs nothing."""
    given = RunRequest(agent=agent, request=request, user=user, input=_object(input))
    found = check_plan_file(plan, _agent(agent, agents), given, ModelAccessSettings())
    if as_json:
        _write(found.data())
    else:
        page.show(found)
    if found.problems or found.blocked:
        raise typer.Exit(EXIT_PROBLEMS)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    words = list(arguments)
    try:
        app(args=words, prog_name="plangate check", standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    except PlangateError as error:
        return _failed(error, EXIT_USAGE, as_json="--json" in words)
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        bug = PlangateError(f"a defect of Plangate: {type(error).__name__}: {error}", type=ErrorType.BUG)
        return _failed(bug, EXIT_BUG, as_json="--json" in words)
    return 0


def _object(text: str) -> dict[str, Any]:
    try:
        value = strictjson.parse(text)
    except PlangateError as error:
        raise InvalidInput(f"--input is not JSON: {error.message}") from None
    if not isinstance(value, dict):
        raise InvalidInput('--input is a JSON object, for example \'{"order": "1042"}\'')
    return value


def _agent(name: str, agents: str | None) -> LoadedAgent:
    with contextlib.redirect_stdout(sys.stderr):
        return Catalogue.load([agents_folder(agents)]).get(name)


def _failed(error: PlangateError, code: int, *, as_json: bool) -> int:
    if as_json:
        _write({"error": {"type": error.type.value, "message": error.message, "details": error.details}})
    else:
        print(f"plangate check: {error.message}", file=sys.stderr)
        for line in error.details:
            print(f"  {line}", file=sys.stderr)
    return code


def _write(data: dict[str, Any]) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False, default=str))
