"""The command about credentials.

Exit codes are those of the client: 0 done, 1 refused, 2 wrong usage, 3 no database, 70 a defect of Plangate.
With `--json` errors are JSON too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from activities.storage.credentials import CredentialTable
from activities.storage.engine import configured_url
from activities.storage.store import Store
from plangate.errors import ErrorType, InvalidInput, PlangateError
from workers.connection import data_folder
from workers.credentials import pages
from workers.telling import tell_error, write

EXIT_REFUSED, EXIT_USAGE, EXIT_NO_DATABASE, EXIT_BUG = 1, 2, 3, 70

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)


@app.callback()
def credentials() -> None:
    """Credentials of agents: when they expire, who refreshed them last. Never their values."""


@app.command("list")
def list_credentials(
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="Data folder (else PLANGATE_DATA, .plangate).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """List the credentials that were asked for so far."""

    async def work() -> None:
        async with await Store.open(configured_url(data_folder(data))) as store:
            found = await CredentialTable(store).listed()
        if as_json:
            write({"credentials": [pages.line(row) for row in found]})
        else:
            pages.show(found)

    asyncio.run(work())


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    as_json = "--json" in arguments
    try:
        app(args=list(arguments), prog_name="plangate credentials", standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    except InvalidInput as error:
        return _tell_error(error, EXIT_USAGE, as_json=as_json)
    except PlangateError as error:
        code = EXIT_NO_DATABASE if error.type is ErrorType.UNAVAILABLE else EXIT_REFUSED
        return _tell_error(error, code, as_json=as_json)
    except Exception as error:
        if os.environ.get("PLANGATE_TRACEBACK"):
            raise
        bug = PlangateError(f"a defect of Plangate: {type(error).__name__}: {error}", type=ErrorType.BUG)
        return _tell_error(bug, EXIT_BUG, as_json=as_json)
    return 0


def _tell_error(error: PlangateError, code: int, *, as_json: bool) -> int:
    body = {"type": error.type.value, "message": error.message, "details": error.details}
    return tell_error(error, code, body, as_json=as_json)
