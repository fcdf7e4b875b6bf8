"""How a process that has used the Temporal SDK ends."""

from __future__ import annotations

import contextlib
import os  # noqa: TID251 - only to end the process
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

EXIT_INTERRUPTED = 130


def exit_with(work: Callable[[], int]) -> NoReturn:
    """Do a process's work and end the process with the exit code that it returns.

    Not `sys.exit`: threads of the Temporal SDK's core that outlive a connection, also one that failed, abort the
    interpreter's shutdown now and then (temporalio/sdk-python#300, "PyGILState_Release: thread state must be
    current"). So everything that is written is flushed, and the interpreter isn't shut down; `atexit` doesn't run.
    """
    code = _code_of(work)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _code_of(work: Callable[[], int]) -> int:
    try:
        return work()
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BaseException:  # noqa: BLE001 - what the interpreter does with it, but without its shutdown
        traceback.print_exc()
        return 1
