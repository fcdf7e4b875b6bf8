"""The table `Websites` of a scope: which domains the agent may read from.

    | Website | What it is read for |
    |---|---|
    | docs.example.com | product manuals |
    | *.example.org | the press |

`*.` before a domain means all below it, not itself. `:PORT` after it means another port than the usual one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

_DOMAIN = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9](?::[1-9][0-9]{0,4})?")


def read_websites(
    rows: Iterable[tuple[int, Mapping[str, str]]], problem: Callable[[int | None, str], None]
) -> list[str]:
    """The domains; what isn't one is a mistake."""
    found: list[str] = []
    for line, row in rows:
        name = row.get("website", "").strip().casefold()
        if not name:
            problem(line, "a line of the table of websites without a website")
        elif not _DOMAIN.fullmatch(name) or int(name.partition(":")[2] or 1) > 65535:
            problem(line, f"{name!r} is no domain: write for example 'docs.example.com' or '*.example.com'")
        elif name in found:
            problem(line, f"the website {name!r} stands twice")
        else:
            found.append(name)
    return found
