"""The commands about dead letters.

Exit codes are those of the client: 0 done, 1 refused (nothing was changed), 2 wrong usage, 3 no server or database,
4 no such dead letter, 70 a defect of Plangate. With `--json` errors are JSON too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from temporalio.service import RPCError

from activities.catalogue import Catalogue, agents_folder
from activities.storage.dead_letters import DeadLetters
from activities.storage.engine import configured_url
from activities.storage.store import Store
from plangate.dead_letters import DeadLetterState, Deed
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.strictjson import not_finite
from plangate.temporal import PlangatePlugin
from workers.connection import connect, data_folder, find_target
from workers.dead_letters import pages
from workers.dead_letters.outlook import look_ahead
from workers.dead_letters.resolve import Answer, Resolution, resolve
from workers.dead_letters.resume import Correction, resume
from workers.sweeper import sweep_once
from workers.telling import EXIT_BUG, EXIT_USAGE, person, run_command, tell, write

EXIT_REFUSED, EXIT_NO_SERVER, EXIT_NOT_FOUND = 1, 3, 4
_WORDS = {
    EXIT_REFUSED: "refused",
    EXIT_USAGE: "usage",
    EXIT_NO_SERVER: "no_server",
    EXIT_NOT_FOUND: "not_found",
    EXIT_BUG: "bug",
}

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Data folder (else PLANGATE_DATA, .plangate).")]
Agents = Annotated[str | None, typer.Option("--agents", envvar="PLANGATE_AGENTS", help="The folder of agent folders.")]
As = Annotated[str, typer.Option("--as", metavar="NAME", help="Who does it (else PLANGATE_USER, your login).")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def _program() -> None:
    """Runs that failed for good: list, show, resolve, resume, discard."""


@app.command("list")
def list_letters(
    state: Annotated[DeadLetterState | None, typer.Option("--state", help="Only these; open ones by default.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were dealt with, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 100,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List dead letters, the newest first."""
    wanted = None if every else state or DeadLetterState.OPEN

    async def work() -> None:
        async with await _store(data) as store:
            found = await DeadLetters(store).listed(wanted, limit=limit)
        if as_json:
            write({"dead_letters": [pages.line(letter) for letter in found]})
        else:
            pages.show_list(found, datetime.now(UTC))

    asyncio.run(work())


@app.command("show")
def show_letter(run: Run, data: Data = None, as_json: Json = False) -> None:
    """Show what was asked, planned, done and decided, what failed, and what resuming would do."""

    async def work() -> None:
        async with await _store(data) as store:
            letters = DeadLetters(store)
            letter = await _found(letters, run)
            outlook = await look_ahead(letters, letter, namespace=find_target(data).namespace)
            effects = await letters.effects(run=run)
        if as_json:
            write(pages.letter_data(letter, outlook, effects))
        else:
            pages.show_letter(letter, outlook, effects)

    asyncio.run(work())


@app.command("resume")
def resume_letter(
    run: Run,
    args: Annotated[str, typer.Option("--args", metavar="JSON", help="Corrected arguments of the failed step.")] = "",
    step: Annotated[str | None, typer.Option("--step", help="Which step they are for, when several failed.")] = None,
    by: As = "",
    agents: Agents = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Go on where the run stopped, as a new run; finished steps and effects are kept."""
    correction = Correction(_object(args), step) if args else None

    async def work() -> None:
        catalogue = _catalogue(agents)
        client = await connect(find_target(data), plugins=[PlangatePlugin()])
        async with await _store(data) as store:
            await _found(DeadLetters(store), run)
            done = await resume(client, store, catalogue, run, by=person(by), correction=correction)
        kept, repeated = done.outlook.kept, done.outlook.repeated
        if as_json:
            write({"run": run, "resumed_as": done.run, "kept": kept, "repeated": repeated})
        else:
            print(f"{run} goes on as {done.run}. See `plangate show {done.run}`.")

    asyncio.run(work())


@app.command("discard")
def discard_letter(
    run: Run,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why nobody has to care any more.")],
    by: As = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Close a dead letter without going on."""
    if not reason.strip():
        raise _Usage("to discard a dead letter wants a reason: --reason TEXT")

    async def work() -> None:
        async with await _store(data) as store:
            letters = DeadLetters(store)
            await _found(letters, run)
            deed = Deed(at=datetime.now(UTC), action="discarded", by=person(by), reason=reason)
            await letters.settle(run, DeadLetterState.DISCARDED, deed)
        tell(as_json, {"run": run, "state": "discarded"}, f"Discarded {run}.")

    asyncio.run(work())


@app.command("resolve")
def resolve_call(
    run: Run,
    call: Annotated[str, typer.Option("--call", metavar="CALL", help="The call whose outcome is not known.")],
    reason: Why,
    done: Annotated[bool, typer.Option("--done", help="It took effect.")] = False,
    not_done: Annotated[bool, typer.Option("--not-done", help="It had no effect; the same call may be made.")] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Do it (again), whatever happened.")] = False,
    result: Annotated[str, typer.Option("--result", metavar="JSON", help="With --done: what the tool returns.")] = "",
    by: As = "",
    agents: Agents = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say whether an effect happened. Nothing is sent; `resume` goes on."""
    if done + not_done + redo != 1:
        raise _Usage("say exactly one of --done, --not-done and --redo")
    if result and not done:
        raise _Usage("--result goes with --done")
    answer = Answer.DONE if done else Answer.NOT_DONE if not_done else Answer.REDO
    given = Resolution(call, answer, person(by), reason, _json(result, "--result") if result else None)

    async def work() -> None:
        async with await _store(data) as store:
            await _found(DeadLetters(store), run)
            await resolve(store, _catalogue(agents), run, given, namespace=find_target(data).namespace)
        text = f"Noted: {call} of {run} is {answer.value}. Go on with `plangate dead-letters resume {run}`."
        tell(as_json, {"run": run, "call": call, "answer": answer.value}, text)

    asyncio.run(work())


@app.command("sweep")
def sweep_runs(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Only these; else all.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Find runs that ended without a dead letter, and write theirs. Workers do so every minute."""
    swept = asyncio.run(sweep_once(data, only=runs or ()))
    text = f"Looked at {swept.looked_at} runs; new: {', '.join(swept.added) or 'none'}."
    tell(as_json, vars(swept), text)


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    return run_command(app, arguments, name="plangate dead-letters", judge=_judged, body=_body)


class _NotFound(PlangateError):
    """There is no such dead letter."""


class _Usage(InvalidInput):
    """The command line is wrong."""


async def _found(letters: DeadLetters, run: str) -> Any:
    try:
        return await letters.get(run)
    except PlangateError as error:
        raise _NotFound(f"{error.message}; see `plangate dead-letters list --all`", type=error.type) from None


async def _store(data: str | None) -> Store:
    return await Store.open(configured_url(data_folder(data)))


def _catalogue(agents: str | None) -> Catalogue:
    return Catalogue.load([agents_folder(agents)])


def _json(text: str, option: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _Usage(f"{option} is not JSON: {error}") from None
    if wrong := not_finite(value):
        raise _Usage(f"{option} is not JSON: {wrong}")
    return value


def _object(text: str) -> dict[str, Any]:
    value = _json(text, "--args")
    if not isinstance(value, dict):
        raise _Usage("--args has to be a JSON object, for example '{\"amount\": 12}'")
    return value


def _judged(error: Exception) -> tuple[PlangateError, int] | None:
    match error:
        case _NotFound():
            return error, EXIT_NOT_FOUND
        case _Usage():
            return error, EXIT_USAGE
        case RPCError():
            said = f"the Temporal server answered: {error.message}"
            return PlangateError(said, type=ErrorType.UNAVAILABLE), EXIT_NO_SERVER
        case PlangateError():
            return error, EXIT_NO_SERVER if error.type is ErrorType.UNAVAILABLE else EXIT_REFUSED
    return None


def _body(error: PlangateError, code: int) -> dict[str, Any]:
    return {"type": _WORDS[code], "message": error.message, "hint": "", "details": error.details}
