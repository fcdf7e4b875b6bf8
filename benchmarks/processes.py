"""The benchmark's child processes: started in groups of their own, and ended whatever happens.

A small reaper process holds the read end of a pipe: when the benchmark ends in any way, even by SIGKILL, the pipe
closes and the reaper ends every process group that is still registered.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

MIB = 1024 * 1024
_TERM_SECONDS = 5.0
_LOG_TAIL = 1500
_LINE = 200
_ALL_ENDED = b"ended\n"


class ChildFailed(RuntimeError):
    """A child process ended when it should have been running."""


def free_port() -> int:
    """A loopback TCP port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Child:
    """A running child process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def ensure_running(self) -> None:
        """Check that it still runs.

        Raises:
            ChildFailed: It has ended; the message has the last line of its log.
        """
        code = self.process.poll()
        if code is not None:
            lines = self.log_tail().splitlines() or ["it wrote nothing"]
            raise ChildFailed(f"{self.name} ended with exit code {code}: {lines[-1][:_LINE]}")

    def log_tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:].strip()

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def memory_mib(self) -> float:
        """Resident memory of the process and its children, in MiB."""
        return sum(process.memory_info().rss for process in self._tree()) / MIB

    def cpu_seconds(self) -> float:
        """User and system time of the process and its living children, in seconds."""
        return sum(sum(process.cpu_times()[:2]) for process in self._tree())


class Processes:
    """A context in which child processes live; leaving it ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        self._reaper = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.processes"], stdin=subprocess.PIPE, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            self.end(child)
        assert self._reaper.stdin is not None
        self._reaper.communicate(_ALL_ENDED)

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
        """Start a child in a process group of its own, its output going to a log in the folder."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                start_new_session=True,
            )
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(f"{process.pid}\n".encode())
        self._reaper.stdin.flush()
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def end(self, child: Child) -> None:
        """End a child and all of its group; nothing happens when it has ended already."""
        if child.process.poll() is None:
            end_group(child.process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(_TERM_SECONDS)


def end_group(group: int) -> None:
    """End a process group: ask, wait, then kill."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + _TERM_SECONDS
        while time.monotonic() < deadline and _alive(group):
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def _alive(group: int) -> bool:
    try:
        return psutil.Process(group).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def reap() -> None:
    """The reaper's main: remember the groups read from standard input, end them when it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines = sys.stdin.buffer.readlines()
    if lines and lines[-1] == _ALL_ENDED:
        return
    for group in map(int, lines):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    reap()
