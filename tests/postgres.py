"""A PostgreSQL server of the tests' own: in a temporary folder, on a free port of the loopback interface.

PostgreSQL refuses to run as root; then the user `postgres` or `nobody` runs it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 30.0
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class NotAvailable(Exception):
    """There is no PostgreSQL that could be started here; the text says why."""


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    programs: Path

    def url(self, database: str) -> str:
        """URL of one of its databases."""
        return f"postgresql+asyncpg://plangate@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Create an empty database; returns its URL."""
        self._sql(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def _sql(self, statement: str) -> None:
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--username", "plangate", "--dbname", "postgres"]
        subprocess.run([self.programs / "psql", *where, "--quiet", "--command", statement], check=True)


@contextmanager
def running_postgres(*, connections: int = 60) -> Iterator[Postgres]:
    """Start a server, and stop it and delete its folder afterwards.

    Args:
        connections: How many it takes at the same time.

    Raises:
        NotAvailable: The programs are missing, or root has no user to run them as.
    """
    programs = _programs()
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="plangate-pg-", dir="/tmp"))
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        options = ["-U", "plangate", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        _run_as(user, [programs / "initdb", "-D", folder / "data", *options])
        port = _free_port()
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", *_options(folder, port, connections)], stdout=log, stderr=log, **_identity(user)
            )
        try:
            _wait(programs, server, port, folder / "log")
            yield Postgres(port, programs)
        finally:
            server.send_signal(signal.SIGINT)  # its "fast" shutdown
            server.wait(_START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    candidates = [Path(found).parent] if (found := shutil.which("initdb")) else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres", "psql", "pg_isready")):
            return folder
    raise NotAvailable("no PostgreSQL programs (initdb, postgres, psql) on PATH")


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotAvailable("PostgreSQL doesn't run as root, and there is no user `postgres` or `nobody`")


def _identity(user: pwd.struct_passwd | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


def _run_as(user: pwd.struct_passwd | None, command: list[object]) -> None:
    done = subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True, **_identity(user)
    )
    if done.returncode:
        raise NotAvailable(f"initdb failed: {done.stderr.strip()}")


def _options(folder: Path, port: int, connections: int) -> list[object]:
    options = ["-D", folder / "data", "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
    options += ["-c", f"max_connections={connections}"]
    for name, value in _QUICK.items():
        options += ["-c", f"{name}={value}"]
    return options


def _wait(programs: Path, server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run(ready, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise NotAvailable(f"PostgreSQL didn't start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
