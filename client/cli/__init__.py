"""The `plangate` command line: one module per theme, one error boundary around all of it."""

from __future__ import annotations

import contextlib


def main() -> None:
    """The console script `plangate`."""
    import os
    import sys

    from client.cli.boundary import guarded

    code = guarded()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # Not sys.exit: threads of the Temporal SDK's core that outlive a connection abort the interpreter's shutdown
    # now and then (temporalio/sdk-python#300, "PyGILState_Release: thread state must be current").
    os._exit(code)
