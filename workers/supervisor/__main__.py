"""`python -m workers.supervisor`: keep the embedded system running on a data folder until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from plangate.errors import ErrorType, PlangateError
from plangate.exits import exit_with
from workers.connection import data_folder
from workers.supervisor.folder import DataFolder
from workers.supervisor.report import Report
from workers.supervisor.system import Options, System

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


async def run(folder: DataFolder, options: Options, report: Report, *, until_eof: bool) -> int:
    """Start the system, wait for a signal, end it; returns the exit code.

    Raises:
        PlangateError: It could not be started.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    system = System(folder, options, say=report.event)

    def on_signal() -> None:
        if stop.is_set():  # asked twice
            system.kill()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    if until_eof:
        threading.Thread(target=_wait_for_eof, args=(loop, stop.set), daemon=True).start()
    starting = asyncio.create_task(system.start())
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return EXIT_INTERRUPTED
        report.ready(starting.result(), folder.path, system.agents)
        await asked
        return 0
    finally:
        if stop.is_set():
            report.stopping()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        asked.cancel()
        await system.stop()


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(stop)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, take the data folder, run. Exit codes: 0 stopped, 1 can't start, 2 wrong arguments."""
    given = _parser().parse_args(arguments)
    report = Report(as_json=given.json)
    folder = DataFolder(data_folder(given.data))
    options = Options(given.agents or os.environ.get("PLANGATE_AGENTS"), given.port, given.ui_port)
    try:
        folder.take()
    except PlangateError as error:
        report.failed(error.message, error.type.value)
        return EXIT_FAILED
    report.starting(folder.path)
    try:
        code = asyncio.run(run(folder, options, report, until_eof=given.until_eof))
        report.stopped()
    except (PlangateError, OSError) as error:
        report.failed(str(error), error.type.value if isinstance(error, PlangateError) else ErrorType.UNAVAILABLE.value)
        code = EXIT_FAILED
    except KeyboardInterrupt:  # before there was anything to stop
        code = EXIT_INTERRUPTED
    finally:
        folder.release()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plangate up", description=__doc__)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder (default: PLANGATE_DATA, else ./.plangate)"
    )
    parser.add_argument("--agents", metavar="DIR", help="folder of agents (default: PLANGATE_AGENTS, else ./agents)")
    parser.add_argument("--port", type=int, help="port of the Temporal server (default: as before, else a free one)")
    parser.add_argument("--ui-port", type=int, help="port of the Temporal UI (default: as before, else a free one)")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when everything runs")
    return parser


if __name__ == "__main__":
    exit_with(main)
