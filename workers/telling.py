"""What host-side commands print: text for people, or one JSON document."""

from __future__ import annotations

import getpass
import json
import os
import sys
from typing import Any

from plangate.errors import PlangateError


def person(name: str) -> str:
    """Who gives a command: the name given, else `PLANGATE_USER`, else the login; empty when nobody knows."""
    if name or os.environ.get("PLANGATE_USER"):
        return name or os.environ["PLANGATE_USER"]
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def write(data: Any) -> None:
    """Print a JSON document."""
    print(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def tell(as_json: bool, data: dict[str, Any], text: str) -> None:
    """Print what was done, as JSON or in words."""
    if as_json:
        write(data)
    else:
        print(text)


def tell_error(error: PlangateError, code: int, body: dict[str, Any], *, as_json: bool) -> int:
    """Print an error: its `body` and the exit code as JSON on standard output, or words on standard error.

    Returns:
        The exit code.
    """
    if as_json:
        write({"error": body, "exit_code": code})
        return code
    print(f"Error: {error.message}", file=sys.stderr)
    for line in error.details:
        print(f"  - {line}", file=sys.stderr)
    return code
