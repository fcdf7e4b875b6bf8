"""`plangate migrate`: bring the database to the newest schema; safe to repeat and to run in several places at once."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from activities.storage.engine import configured_url, shown_url
from activities.storage.migrate import migrate
from activities.storage.schema import current_revision
from plangate.errors import PlangateError
from workers.connection import data_folder


async def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code: 0 done, 1 not."""
    try:
        url = configured_url(data_folder(options.data))
        before = await current_revision(url)
        after = await migrate(url)
    except PlangateError as error:
        if options.json:
            print(json.dumps({"ok": False, "type": error.type.value, "message": error.message}))
        else:
            print(error.message, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"ok": True, "database": shown_url(url), "before": before, "revision": after}))
    elif before == after:
        print(f"{shown_url(url)} has the newest schema, {after}")
    else:
        print(f"{shown_url(url)}: from {before or 'no schema'} to {after}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and migrate."""
    parser = argparse.ArgumentParser(prog="plangate migrate", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="data folder whose SQLite file is meant without a URL")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return asyncio.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
