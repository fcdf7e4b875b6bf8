"""The data folder: who owns it, which ports it had, what is said about the running system, what was left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from plangate.errors import InvalidInput, PlangateError
from workers.connection import read_system

LEFTOVER_SECONDS = 5.0
"""What a child of a previous life gets to end after SIGTERM."""


class DataFolder:
    """The folder with everything that the embedded system keeps: databases, logs, ports, `system.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    @property
    def temporal_database(self) -> Path:
        """The embedded Temporal server's database."""
        return self.path / "temporal.db"

    def log(self, name: str) -> Path:
        """The log of a child."""
        return self.path / "logs" / f"{name}.log"

    def take(self) -> None:
        """Become the folder's owner, until `release` or this process's end.

        Raises:
            InvalidInput: Another process owns it, or it can't be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.path / "up.lock").open("a+", encoding="ascii")
        except OSError as error:
            raise InvalidInput(f"the data folder {self.path} can't be used: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "?"
            lock.close()
            raise InvalidInput(
                f"`plangate up` runs on the data folder {self.path} already (process {owner}). "
                "Use that one, stop it, or choose another folder with --data."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Stop being the owner; the system is gone."""
        (self.path / "system.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- ports ---

    def ports(self) -> dict[str, int]:
        """The ports of the previous life, by name."""
        try:
            found = json.loads((self.path / "ports.json").read_text(encoding="utf-8"))
            return {str(name): int(port) for name, port in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def remember_ports(self, ports: Mapping[str, int]) -> None:
        """Keep the ports for the next life."""
        self._write("ports.json", {**self.ports(), **ports})

    # --- the running system ---

    def publish(self, system: Mapping[str, Any]) -> None:
        """Write `system.json`; readers see the old or the new one, never half of it."""
        pids = system.get("pids", {})
        births = {name: birth for name, pid in pids.items() if (birth := process_birth(pid)) is not None}
        self._write("system.json", {**system, "births": births})

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        part = self.path / f".{name}.{os.getpid()}"
        part.touch(mode=0o600)
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        part.replace(self.path / name)

    def leftovers(self) -> dict[str, int]:
        """Children of a previous life that still run, by name. A process that only has the same number isn't one."""
        system = read_system(self.path)
        pids, births = system.get("pids"), system.get("births")
        if not isinstance(pids, dict) or not isinstance(births, dict):
            return {}
        return {
            name: pid
            for name, pid in pids.items()
            if isinstance(pid, int) and pid != os.getpid() and name in births and process_birth(pid) == births[name]
        }

    def end_leftovers(self) -> dict[str, int]:
        """End them, and take away what was said about them; returns them."""
        found = self.leftovers()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.leftovers().values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + LEFTOVER_SECONDS
            while self.leftovers() and time.monotonic() < deadline:
                time.sleep(0.05)
        if remaining := self.leftovers():
            raise PlangateError(f"processes of an earlier `plangate up` on {self.path} can't be ended: {remaining}")
        (self.path / "system.json").unlink(missing_ok=True)
        return found


def process_birth(pid: int) -> str | None:
    """When a process was started, as a token that only it has; None when it doesn't run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    shown = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return shown.stdout.strip() or None
