"""The embedded system as a child process: started, waited for, and ended in all cases."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from client.errors import ClientError, ExitCode

READY_SECONDS = 90.0
STOP_SECONDS = 30.0
LOG_LINES = 8


class EmbeddedSystem:
    """`python -m workers.supervisor` on a data folder, for the length of an `async with`.

    Args:
        folder: The data folder; it is created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Any] = {}
        """What the system says of itself once it is ready: `address`, `ui`, `model`, …"""
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> EmbeddedSystem:
        """Start it and wait until everything runs.

        Raises:
            ClientError: With the reason and the end of its log when it can't be started.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                # A session of its own: Ctrl-C is ours to handle. --until-eof: it ends even if we are killed.
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "workers.supervisor"),
                    *("--data", str(self.folder), "--json", "--until-eof"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ClientError(f"The data folder {str(self.folder)!r} can't be used: {error.strerror}.") from error
        try:
            self.facts = await self._ready(self._process)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self.stop()

    async def wait(self) -> int:
        """Wait until it ends by itself, which it shouldn't."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """End it: SIGTERM, and after a while SIGKILL for all that is left."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    @property
    def _log(self) -> Path:
        return self.folder / "supervisor.log"

    async def _ready(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            raise self._failure(f"it wasn't ready within {READY_SECONDS:g} seconds") from None
        try:
            told = json.loads(line)
        except ValueError:
            raise self._failure("it ended at once") from None
        if not told.get("ready"):
            raise self._failure(str(told.get("error", {}).get("message", "it doesn't say why")))
        return dict(told)

    def _failure(self, why: str) -> ClientError:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        except OSError:
            lines = []
        return ClientError(
            f"The embedded system can't be started: {why}.",
            hint="`plangate doctor` says what is missing." + (f" Logs: {self.folder / 'logs'}" if lines else ""),
            code=ExitCode.NO_SERVER,
            details=lines,
        )
