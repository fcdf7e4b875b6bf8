"""What host-side commands print: text for people, or one JSON document."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from plangate.errors import ErrorType, InvalidInput, PlangateError

EXIT_REFUSED, EXIT_USAGE, EXIT_NO_DATABASE, EXIT_BUG = 1, 2, 3, 70


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


def plain_body(error: PlangateError, code: int) -> dict[str, Any]:
    """An error as most commands print it in JSON."""
    return {"type": error.type.value, "message": error.message, "details": error.details}


def judged(error: Exception) -> tuple[PlangateError, int] | None:
    """An error of a command that only reads the database, and its exit code; None for a defect."""
    if isinstance(error, InvalidInput):
        return error, EXIT_USAGE
    if isinstance(error, PlangateError):
        return error, EXIT_NO_DATABASE if error.type is ErrorType.UNAVAILABLE else EXIT_REFUSED
    return None


def _of_database(error: Exception) -> tuple[PlangateError, int] | None:
    """A fault of the database while a command uses it: not a defect of Plangate."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    if not isinstance(error, (OperationalError, InterfaceError)):
        return None
    said = " ".join(str(error.orig or "it can't be reached").split())
    hints = {
        "full": "make room where it is; nothing was changed",
        "readonly": "it, its folder and the files beside it have to be writable for you; nothing was changed",
        "locked": "something else holds it; try again",
    }
    details = [hint for word, hint in hints.items() if word in said]
    return PlangateError(f"the database: {said}", type=ErrorType.UNAVAILABLE, details=details), EXIT_NO_DATABASE


def run_command(
    app: Callable[..., Any],
    arguments: Sequence[str],
    *,
    name: str,
    judge: Callable[[Exception], tuple[PlangateError, int] | None],
    body: Callable[[PlangateError, int], dict[str, Any]] = plain_body,
) -> int:
    """Run a command line; no traceback reaches a user unless `PLANGATE_TRACEBACK` is set.

    Args:
        app: The Typer application.
        arguments: The command's words.
        name: As people call it.
        judge: What an error says to people, and its exit code; None for a defect.
        body: The error in JSON.

    Returns:
        The exit code.
    """
    try:
        app(args=list(arguments), prog_name=name, standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    except Exception as error:
        known = judge(error) or _of_database(error)
        if known is None:
            if os.environ.get("PLANGATE_TRACEBACK"):
                raise
            told = f"a defect of Plangate: {type(error).__name__}: {error}"
            known = PlangateError(told, type=ErrorType.BUG), EXIT_BUG
        return tell_error(*known, body(*known), as_json="--json" in arguments)
    return 0
