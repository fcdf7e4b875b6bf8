"""Options that several commands share, and how they connect and print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from client.errors import ClientError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder of `plangate up` (else PLANGATE_DATA, ./.plangate)."),
]
As = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who decides (else PLANGATE_USER, your login).", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.", show_default=False)]


def acting_person(name: str) -> str:
    """Who decides: the given name, `PLANGATE_USER`, or the login name."""
    if name or os.environ.get("PLANGATE_USER"):
        return name or os.environ["PLANGATE_USER"]
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def go(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work."""
    import asyncio

    from client.connection import quiet

    quiet()
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:  # ended by SIGTERM
        raise KeyboardInterrupt from None


def print_json(value: Any) -> None:
    """Print a contract, a list of them or plain data as one JSON document."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=2))


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def console() -> Console:
    """The console for people."""
    from client.render.text import make_console

    return make_console()


def json_object(text: str, option: str) -> dict[str, Any]:
    """An option's JSON object.

    Raises:
        ClientError: `USAGE` with where it is wrong.
    """
    from plangate import strictjson
    from plangate.errors import PlangateError

    try:
        value = strictjson.parse(text)
    except PlangateError as error:
        raise ClientError(f"{option} is not JSON: {error.message}", code=ExitCode.USAGE) from None
    if not isinstance(value, dict):
        raise ClientError(f"{option} has to be a JSON object, for example '{{\"amount\": 12}}'.", code=ExitCode.USAGE)
    return value


def interactive() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def sendable(value: Any, what: str) -> Any:
    """The value, when all of it can be written as UTF-8, which is what goes to the server.

    Args:
        value: A text, or what was read from JSON or YAML.
        what: What it is called in the message.

    Raises:
        ClientError: `USAGE`: it has half characters, as bytes that aren't UTF-8 or escapes like `\\ud800` become.
    """
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise ClientError(
            f"{what} is not UTF-8 text.", hint="Write it in UTF-8, without halves of characters.", code=ExitCode.USAGE
        ) from None
    except RecursionError:
        raise ClientError(f"{what} is nested too deeply.", code=ExitCode.USAGE) from None
    from plangate.strictjson import not_finite

    if wrong := not_finite(value):
        raise ClientError(f"{what} can't be sent: {wrong}.", code=ExitCode.USAGE)
    return value


def standard_input() -> str:
    """What standard input holds; bytes that are no UTF-8 are refused, whatever the locale."""
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        return sys.stdin.read()
    try:
        return str(stream.read().decode("utf-8-sig")).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ClientError(
            f"The input is not UTF-8 text: byte {error.start + 1} is 0x{error.object[error.start]:02x}.",
            code=ExitCode.USAGE,
        ) from None
