"""A real Temporal server for the whole session, a scripted worker for each test, and the command line as a process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from client.connection import Target
from client.runs import Plangate
from plangate.temporal import AGENT, COST, PENDING, STATUS, USER, PlangatePlugin
from tests.client.scripted import Script, scripted_worker

TEMPORAL = Path(sys.executable).parent / "temporal"
BARE_NAMESPACE = "bare"
"""A namespace without Plangate's search attributes."""


async def _start() -> WorkflowEnvironment:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(TEMPORAL),
        search_attributes=[AGENT, STATUS, USER, PENDING, COST],
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", "history.transferProcessorMaxPollRPS=5000"],
    )
    request = RegisterNamespaceRequest(namespace=BARE_NAMESPACE)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    await environment.client.workflow_service.register_namespace(request)
    return environment


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    loop = asyncio.new_event_loop()
    environment = loop.run_until_complete(_start())
    yield environment.client.service_client.config.target_host
    loop.run_until_complete(environment.shutdown())
    loop.close()


async def until(condition: Callable[[], Awaitable[Any]], *, seconds: float = 20) -> Any:
    """Ask again and again until the answer is truthy; return it."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.05)


@dataclass
class Shop:
    """A server with a worker that serves the scripted shop."""

    address: str
    plangate: Plangate
    script: Script

    async def cli(self, *args: str, input: str | None = None, env: dict[str, str] | None = None) -> Ended:
        """Run `plangate` as a process of its own against this server."""
        return await run_cli(*args, input=input, env={"TEMPORAL_ADDRESS": self.address, **(env or {})})

    async def waiting(self, run: str, gates: int = 1) -> None:
        """Wait until so many gates of a run are open, and lists show it."""
        async with asyncio.timeout(20):
            async for view in self.plangate.watch(run):
                if view.status and len(view.status.pending) >= gates:
                    break

            async def listed() -> bool:
                return sum(1 for gate in await self.plangate.inbox() if gate.run == run) >= gates

            await until(listed)


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def cli_environment(env: dict[str, str]) -> dict[str, str]:
    """An environment in which nothing of this machine's own configuration counts."""
    foreign = ("TEMPORAL_", "PLANGATE_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "plangate-bytecode"),
        **kept,
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "COLUMNS": "80",
        **env,
    }


async def run_cli(
    *args: str, input: str | bytes | None = None, env: dict[str, str] | None = None, seconds: float = 60
) -> Ended:
    """Run `plangate` as a process of its own, without a terminal."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "plangate"),
        *args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=cli_environment(env or {}),
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(input.encode() if isinstance(input, str) else input or b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
async def plangate(address: str) -> Plangate:
    client = await Client.connect(address, plugins=[PlangatePlugin()])
    return Plangate(client, Target(address, "default", "the test", "http://ui.example"))


@pytest.fixture
async def shop(address: str, plangate: Plangate) -> AsyncIterator[Shop]:
    script = Script()
    async with scripted_worker(plangate.client, script):
        yield Shop(address, plangate, script)
        script.may_finish.set()
