"""The column `Text of others` of a scope's table of tools: which arguments may hold text that others wrote.

    | send_email | Writes to the customer | Text of others: subject, body; never to |

A cell is empty or `nothing`, or names arguments with commas; after `never` come those that may never hold any.
"""

from __future__ import annotations

import re

COLUMN = "text of others"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HELP = "write for example 'subject, body', 'subject, body; never to', or 'nothing'"


def parse_others(cell: str) -> tuple[list[str], list[str]]:
    """The arguments that may, and those that may never hold text of others.

    Raises:
        ValueError: When the cell can't be read; the message says what is allowed.
    """
    accepts: list[str] = []
    never: list[str] = []
    for part in re.split(r"[;.]", cell):
        words, found = part.strip(), accepts
        if words.lower().removeprefix("in ") in ("", "nothing", "none", "-", "–", "—"):
            continue
        if match := re.match(r"never(?: in)?\s+(.+)", words, re.IGNORECASE):
            words, found = match[1], never
        for name in re.split(r"\s*,\s*|\s+and\s+", words):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{cell!r} doesn't name arguments: {HELP}")
            found.append(name)
    if both := sorted(set(accepts) & set(never)):
        raise ValueError(f"{both[0]!r} may and may never hold text of others; decide for one")
    return accepts, never
