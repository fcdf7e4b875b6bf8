"""The command about dependencies.

Exit codes are those of the client: 0 done, 2 wrong usage, 3 no database, 4 no such dependency, 70 a defect of Plangate.
With `--json` errors are JSON too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from activities.storage import drifts
from activities.storage.dependencies import Dependencies
from activities.storage.engine import configured_url
from activities.storage.lines import Lines
from activities.storage.store import Store
from plangate.errors import ErrorType, InvalidInput, PlangateError
from workers.connection import data_folder
from workers.dependencies import answers, pages
from workers.telling import person, run_command, tell, write

EXIT_REFUSED, EXIT_NO_DATABASE, EXIT_NOT_FOUND = 1, 3, 4

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def dependencies(
    reset: Annotated[str, typer.Option("--reset", metavar="NAME", help="Close this one's circuit breaker.")] = "",
    by: Annotated[str, typer.Option("--as", metavar="NAME", help="Who does it (else PLANGATE_USER, your login).")] = "",
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="Data folder (else PLANGATE_DATA, .plangate).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Show what runs depend on: what is up or down since when, its limits, what waits for it, whose answers changed."""

    async def work() -> None:
        async with await Store.open(configured_url(data_folder(data))) as store:
            table = Dependencies(store)
            if reset:
                done = await table.reset(reset, by=person(by), at=datetime.now(UTC))
                tell(as_json, pages.line(done), f"Closed {reset}. Workers see it within a second.")
                return
            now = datetime.now(UTC)
            found = pages.together(await table.listed(), await Lines(store).listed(now))
            changed = await drifts.listed(store)
        if as_json:
            write({"dependencies": [pages.line(*each) for each in found], "drifts": answers.lines(changed)})
        else:
            pages.show(found, now)
            answers.show(changed)

    asyncio.run(work())


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    return run_command(app, arguments, name="plangate dependencies", judge=_judged)


def _judged(error: Exception) -> tuple[PlangateError, int] | None:
    if isinstance(error, InvalidInput):
        error.details = [*error.details, "`plangate dependencies` lists them"]
        return error, EXIT_NOT_FOUND
    if isinstance(error, PlangateError):
        return error, EXIT_NO_DATABASE if error.type is ErrorType.UNAVAILABLE else EXIT_REFUSED
    return None
