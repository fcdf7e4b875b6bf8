"""The `plangate` command line: one module per theme, one error boundary around all of it."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """The console script `plangate`."""
    from client.cli.boundary import guarded
    from plangate.exits import exit_with

    exit_with(guarded)
