"""The command about credentials.

Exit codes are those of the client: 0 done, 1 refused, 2 wrong usage, 3 no database, 70 a defect of Plangate.
With `--json` errors are JSON too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from activities.storage.credentials import CredentialTable
from activities.storage.engine import configured_url
from activities.storage.store import Store
from workers.connection import data_folder
from workers.credentials import pages
from workers.telling import judged, run_command, write

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
    return run_command(app, arguments, name="plangate credentials", judge=judged)
