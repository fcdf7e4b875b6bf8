"""`python -m activities.storage` prints the database's revision; `… upgrade` migrates it."""

from __future__ import annotations

import asyncio
import sys

from activities.storage.engine import configured_url, shown_url
from activities.storage.migrate import migrate
from activities.storage.schema import NEWEST, current_revision
from plangate.errors import PlangateError


async def run(arguments: list[str]) -> int:
    """Carry out the command; returns the exit code: 0 ok, 1 the database can't be used, 2 wrong arguments."""
    if arguments not in ([], ["current"], ["upgrade"]):
        print("usage: python -m activities.storage [current|upgrade]", file=sys.stderr)
        return 2
    url = configured_url()
    try:
        revision = await migrate(url) if arguments == ["upgrade"] else await current_revision(url)
    except PlangateError as error:
        print(error.message, file=sys.stderr)
        return 1
    print(f"{shown_url(url)}: {revision or 'no schema yet'} (newest: {NEWEST})")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
