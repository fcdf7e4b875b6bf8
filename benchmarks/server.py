"""The embedded Temporal server, tuned as the product's own is, and the fake model beside it."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from benchmarks.contenders import Contender
from benchmarks.processes import Child, Processes, free_port

_START_SECONDS = 60.0
_PRAGMAS = ("journal_mode=wal", "synchronous=normal")
_DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=5000",
    "history.timerProcessorMaxPollRPS=5000",
    "history.visibilityProcessorMaxPollRPS=5000",
)
"""The server's defaults make every activity wait about 100 ms; see section 7 of the design."""

SEARCH_ATTRIBUTES = (
    "PlangateAgent=Keyword",
    "PlangateStatus=Keyword",
    "PlangateUser=Keyword",
    "PlangatePending=Int",
    "PlangateCostUsd=Double",
)
"""Registered for every contender alike, so that the product's runs can be started."""


def temporal_binary() -> str:
    """Path of the `temporal` program: the environment's own, or the one on PATH.

    Raises:
        FileNotFoundError: There is none.
    """
    own = Path(sys.executable).parent / "temporal"
    found = str(own) if own.exists() else shutil.which("temporal")
    if found is None:
        raise FileNotFoundError("no `temporal` program in the benchmark's environment or on PATH")
    return found


def server_command(folder: Path, port: int) -> list[str]:
    """The command that starts the tuned server on a file database in `folder`."""
    command = [temporal_binary(), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--db-filename", str(folder / "temporal.db"), "--log-level", "error"]
    for pragma in _PRAGMAS:
        command += ["--sqlite-pragma", pragma]
    for value in _DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    for attribute in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", attribute]
    return command


async def start_server(processes: Processes, folder: Path) -> tuple[Child, Client]:
    """Start the server and wait until its namespace answers.

    Raises:
        TimeoutError: It didn't answer in time.
    """
    port = free_port()
    env = {**os.environ, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}
    child = processes.start("temporal", server_command(folder, port), env)
    async with asyncio.timeout(_START_SECONDS):
        while True:
            child.ensure_running()
            try:
                client = await Client.connect(f"127.0.0.1:{port}")
                request = DescribeNamespaceRequest(namespace=client.namespace)
                await client.workflow_service.describe_namespace(request)
            except (RPCError, RuntimeError):
                await asyncio.sleep(0.1)
            else:
                return child, client


async def start_fake_model(processes: Processes, latency_ms: float) -> tuple[Child, str]:
    """Start the fake model; returns its process and its base URL (without `/v1`)."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.fake_model", "--port", str(port), "--latency-ms", str(latency_ms)]
    child = processes.start("fake-model", command)
    async with asyncio.timeout(_START_SECONDS):
        while True:
            child.ensure_running()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return child, f"http://127.0.0.1:{port}"


def worker_env(address: str, model_url: str, folder: Path, contender: Contender) -> dict[str, str]:
    """Environment of a worker process: nothing of the caller's keys, servers or proxies reaches it.

    Bytecode is kept, as it is by default: without it the sandbox compiles a contender's workflow modules in each run.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY") and not name.startswith(("OPENAI_", "TEMPORAL_", "PLANGATE_"))
    }
    filled = {
        name: value.format(folder=folder, root=Path.cwd(), address=address, model_url=model_url)
        for name, value in contender.env.items()
    }
    return {
        **kept,
        "TEMPORAL_ADDRESS": address,
        "BENCH_TASK_QUEUE": contender.task_queue,
        "OPENAI_BASE_URL": f"{model_url}/v1",
        "OPENAI_API_KEY": "bench",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        **filled,
    }
