"""The command `plangate check`.

Exit codes: 0 nothing is refused, 1 the plan has mistakes or a call would be refused, 2 wrong usage or an input that
can't be read, 70 a defect of Plangate. With `--json` one JSON object is written, errors included.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.catalogue import Catalogue, LoadedAgent, agents_folder
from activities.models.settings import ModelAccessSettings
from plangate import strictjson
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.runs import RunRequest
from workers.check import page
from workers.check.plans import check_plan_file
from workers.check.spending import budgets_of
from workers.check.text_page import show_text
from workers.check.texts import check_text

EXIT_PROBLEMS = 1
EXIT_USAGE = 2
EXIT_BUG = 70
MAX_BYTES = 2_000_000
"""Of a request that is read from a file."""

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def check(
    agent: Annotated[str, typer.Option("--agent", help="The agent that it is for.")],
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="A request; - is standard input.", show_default=False)
    ] = None,
    file: Annotated[str, typer.Option("--file", metavar="FILE", help="A request in a file.")] = "",
    plan: Annotated[
        str, typer.Option("--plan", metavar="FILE", help="A plan, YAML or JSON; - is standard input.")
    ] = "",
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
    """Say what guardrails make of a request, or what a plan would ask, of whom and why. Runs nothing."""
    if sum((text is not None, bool(file), bool(plan))) != 1:
        raise InvalidInput("give exactly one of: a text, --file FILE with a text, --plan FILE")
    if not plan:
        _check_text(_text(text, file), _agent(agent, agents), as_json=as_json)
        return
    given = RunRequest(agent=agent, request=request, user=user, input=_object(input))
    loaded = _agent(agent, agents)
    budgets = asyncio.run(budgets_of(loaded, given))
    found = check_plan_file(plan, loaded, given, ModelAccessSettings(), budgets)
    if as_json:
        _write(found.data())
    else:
        page.show(found)
    if found.problems or found.blocked:
        raise typer.Exit(EXIT_PROBLEMS)


def _check_text(text: str, agent: LoadedAgent, *, as_json: bool) -> None:
    found = check_text(text, agent, ModelAccessSettings.load())
    if as_json:
        _write(found.data())
    else:
        show_text(found)
    if found.refused:
        raise typer.Exit(EXIT_PROBLEMS)


def _text(text: str | None, file: str) -> str:
    """The request, wherever it stands; bytes that are no UTF-8 stay visible as what they are."""
    if text is not None and text != "-":
        return text
    try:
        data = Path(file).read_bytes() if file else sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{file!r} can't be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"the text is larger than {MAX_BYTES:,} bytes")
    return data.decode("utf-8", "replace")


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
