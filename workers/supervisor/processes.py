"""Children: started, known to be ready, started again when they die, ended with grace, never orphaned."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plangate.errors import ErrorType, PlangateError

FIRST_DELAY = 0.1
LONGEST_DELAY = 15.0
STEADY_SECONDS = 10.0
"""A child that lived this long starts again at once; one that keeps dying waits longer each time."""
LOG_BYTES = 10_000_000
"""A log larger than this is set aside as `NAME.log.1` when its program starts."""
LINE_BYTES = 1 << 20
_GUARD = Path(__file__).with_name("guard.py")

Say = Callable[[str], None]


class StartFailed(PlangateError):
    """A program ended, or didn't become ready; the text has the end of its log."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type=ErrorType.UNAVAILABLE)


@dataclass(frozen=True)
class Program:
    """What to run, and how to know that it is ready."""

    name: str
    command: Sequence[str]
    environment: Callable[[], Mapping[str, str]]
    """Asked at each start."""
    announcement: Callable[[str], Any] | None = None
    """Reads a line of standard output; anything but None means that the program is ready and what it said."""
    probe: Callable[[], Awaitable[object]] | None = None
    """Returns once the program answers."""
    start_seconds: float = 60.0
    stop_seconds: float = 10.0
    """After SIGTERM; then SIGKILL."""


class ProcessGroup:
    """The process group of all children, with the guard that ends it when this process is killed."""

    def __init__(self) -> None:
        self._guard: asyncio.subprocess.Process | None = None

    async def id(self) -> int:
        """The group to start a child in."""
        if self._guard is None or self._guard.returncode is not None:
            command = [sys.executable, "-I", "-S", str(_GUARD)]
            self._guard = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, process_group=0)
        return self._guard.pid

    async def close(self) -> None:
        """Kill whatever is left of the group."""
        if self._guard is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._guard.pid, signal.SIGKILL)
            await self._guard.wait()


class Child:
    """A program that is kept running.

    Args:
        program: What to run.
        log: File for its output.
        group: Its process group.
        say: Told when it died and when it is back.
        on_ready: Called each time it is ready, with what it announced.
    """

    def __init__(
        self, program: Program, log: Path, group: ProcessGroup, *, say: Say, on_ready: Callable[[Any], None]
    ) -> None:
        self.program = program
        self.restarts = 0
        self._log = log
        self._group = group
        self._say = say
        self._on_ready = on_ready
        self._process: asyncio.subprocess.Process | None = None
        self._announced: asyncio.Future[Any] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> Any:
        """Start it and wait until it is ready; from then on it is kept running.

        Returns:
            What it announced.

        Raises:
            StartFailed: It ended, or wasn't ready in time.
        """
        value = await self._run()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.program.name}")
        return value

    async def restart(self) -> None:
        """End it; its keeper starts it again, with its environment as it is now."""
        if self._process is not None and self._keeper is not None:
            await self._end(self._process)

    async def stop(self) -> None:
        """End it for good: SIGTERM, and SIGKILL when it takes too long."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._process is not None:
            await self._end(self._process)
        if self._pump is not None:
            await self._pump

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _run(self) -> Any:
        process = await self._spawn()
        ready = asyncio.create_task(self._ready())
        ended = asyncio.create_task(process.wait())
        try:
            done, _ = await asyncio.wait(
                {ready, ended}, timeout=self.program.start_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if ended in done:
                raise StartFailed(f"{self.program.name} {ending(ended.result())} before it was ready{self._tail()}")
            if not done:
                limit = f"{self.program.start_seconds:.0f} seconds"
                raise StartFailed(f"{self.program.name} was not ready within {limit}{self._tail()}")
            value = ready.result()
        except BaseException:
            ready.cancel()
            self.kill()
            raise
        finally:
            ended.cancel()
        self._on_ready(value)
        return value

    async def _spawn(self) -> asyncio.subprocess.Process:
        group = await self._group.id()
        rotate(self._log)
        pipe = self.program.announcement is not None
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if pipe else log,
                stderr=log,
                env=dict(self.program.environment()),
                process_group=group,
                limit=LINE_BYTES,
            )
        self._process = process
        self._announced = asyncio.get_running_loop().create_future() if pipe else None
        if pipe:
            self._pump = asyncio.create_task(self._read(process, self._announced))
        return process

    async def _ready(self) -> Any:
        value = await self._announced if self._announced is not None else None
        if self.program.probe is not None:
            await self.program.probe()
        return value

    async def _read(self, process: asyncio.subprocess.Process, announced: asyncio.Future[Any] | None) -> None:
        """Copy standard output into the log, looking for the announcement."""
        assert process.stdout is not None
        assert announced is not None
        assert self.program.announcement is not None
        with self._log.open("ab", buffering=0) as log:
            while True:
                try:
                    line = await process.stdout.readline()
                except ValueError:  # longer than LINE_BYTES
                    continue
                if not line:
                    return
                log.write(line)
                value = None if announced.done() else self.program.announcement(line.decode(errors="replace"))
                if value is not None:
                    announced.set_result(value)

    async def _keep(self) -> None:
        name, delay = self.program.name, FIRST_DELAY
        while True:
            assert self._process is not None
            since = time.monotonic()
            code = await self._process.wait()
            died = time.monotonic()
            self._say(f"{name} {ending(code)}; starting it again")
            if died - since > STEADY_SECONDS:
                delay = FIRST_DELAY
            while True:
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)
                try:
                    await self._run()
                    break
                except (StartFailed, OSError) as error:
                    self._say(f"{error}; trying again in {delay:.1f} s")
            self.restarts += 1
            self._say(f"{name} is back after {time.monotonic() - died:.1f} s")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self.program.stop_seconds)
            except TimeoutError:
                self.kill()
        await process.wait()

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()[-8:]
        text = "\n".join(f"  {line[:300]}" for line in lines)
        return f". The end of {self._log}:\n{text}" if lines else ""


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def rotate(log: Path) -> None:
    """Make room for a log: its folder, and a new file when the old one is large."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
