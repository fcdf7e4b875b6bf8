"""The one place where errors become messages and exit codes; no traceback passes it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from client.errors import ClientError, ExitCode


def guarded(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: Arguments after the program's name; by default those of the process.

    Returns:
        The exit code.
    """
    args = list(sys.argv[1:] if args is None else args)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _refuse_undecodable(args)
        return _run(args)
    except ClientError as error:
        return _tell(error, as_json=wants_json(args))
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        if os.environ.get("PLANGATE_TRACEBACK"):
            raise
        return _tell(_bug(error), as_json=wants_json(args))


def wants_json(args: Sequence[str]) -> bool:
    """Whether the command line asks for JSON."""
    own = args[: args.index("--")] if "--" in args else args
    return "--json" in own


def _run(args: list[str]) -> int:
    from typer.exceptions import Abort, TyperException

    from client.cli.app import app

    try:
        code = app(args=args, prog_name="plangate", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        if wants_json(args):
            return _tell(ClientError(error.format_message(), code=ExitCode.USAGE), as_json=True)
        show = getattr(error, "show", None)
        if callable(show):
            show()
        else:
            print(f"Error: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # what rich and typer make of it
            raise stop.__context__ from None
        raise
    except Abort:
        print(file=sys.stderr)
        return ExitCode.INTERRUPTED
    return code if isinstance(code, int) else ExitCode.OK


def _tell(error: ClientError, *, as_json: bool) -> int:
    if as_json:
        import json

        body = {"type": error.code.word, "message": error.message, "hint": error.hint, "details": error.details}
        print(json.dumps({"error": body, "exit_code": int(error.code)}, ensure_ascii=False, indent=2))
        return error.code
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    mark = "\x1b[1;31m✘\x1b[0m" if colour else "Error:"
    print(f"{mark} {_safe(error.message)}", file=sys.stderr)
    for line in error.details:
        print(f"  - {_safe(line)}", file=sys.stderr)
    if error.hint:
        print(f"\n{_safe(error.hint)}", file=sys.stderr)
    return error.code


def _safe(text: str) -> str:
    """Without escape sequences: messages may quote what a model or a user wrote."""
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\u{ord(char):04x}" for char in text)


def _refuse_undecodable(args: Sequence[str]) -> None:
    """Arguments with bytes that aren't UTF-8 can't be sent, whatever the command: said before anything is connected."""
    for arg in args:
        if any("\ud800" <= char <= "\udfff" for char in arg):
            raise ClientError(
                f"The argument {_safe(arg)!r} is not UTF-8 text.",
                hint="Write it in UTF-8, without halves of characters.",
                code=ExitCode.USAGE,
            )


def _bug(error: Exception) -> ClientError:
    return ClientError(
        f"Something is wrong inside Plangate: {type(error).__name__}: {error}",
        hint="This is a bug. Set PLANGATE_TRACEBACK=1 and run the command again for the details to report.",
        code=ExitCode.BUG,
    )
