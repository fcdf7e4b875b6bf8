"""The real processes on a data folder: Temporal server, far side, model endpoint, and workers that a nursery forks.

Started without the product's supervisor, so that whatever dies is started again by the harness, cheaply and counted.
Everything ends with the block of `running_rig`, whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from temporalio.client import Client
from temporalio.service import RPCError

from tests.fake_model import FakeModel

ROOT = Path(__file__).parents[2]
TEMPORAL = Path(sys.executable).parent / "temporal"
START_SECONDS = 180.0
SWEEP_SECONDS = 5
"""Between two looks of a worker for runs that ended without a word."""
SEARCH_ATTRIBUTES = (
    "PlangateAgent=Keyword",
    "PlangateStatus=Keyword",
    "PlangateUser=Keyword",
    "PlangatePending=Int",
    "PlangateCostUsd=Double",
)
FAKE_KEY = "sk-chaos-4hR7vXq2LmZt9WcEbN"
FAKE_PASSWORD = "pw-chaos-Ju8sKd3fGhPqYv"
SECRETS = (FAKE_KEY, FAKE_PASSWORD)
"""Seeded into every worker's environment: they must turn up nowhere."""
CODE_CACHE = Path(tempfile.gettempdir()) / f"plangate-chaos-code-{os.getuid()}"
_OURS = ("PLANGATE_", "TEMPORAL_", "OPENAI_")


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without anything that configures the product."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # many processes import the same files
    return {
        "PYTHONPYCACHEPREFIX": str(CODE_CACHE),
        **kept,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **settings,
    }


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Rig:
    """A running system that can be hurt."""

    data: Path
    agents: Path
    database_url: str
    model: FakeModel
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    """What the far side told: the worker's environment has it."""
    environment: dict[str, str] = field(default_factory=dict)
    """Further variables for workers born from now on."""
    sabotage: tuple[str, ...] = ()
    deaths: Counter[str] = field(default_factory=Counter)
    """Workers that died, by how: `SIGKILL`, `exit 3`."""
    births: int = 0
    pids: dict[str, int] = field(default_factory=dict)
    """Of the workers that live."""
    on_death: Callable[[str], None] = lambda _: None
    temporal: subprocess.Popen[bytes] | None = None
    nursery: asyncio.subprocess.Process | None = None
    _listener: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The Temporal server's."""
        return f"127.0.0.1:{self.port}"

    @property
    def logs(self) -> Path:
        """Folder of everybody's logs."""
        return self.data / "logs"

    async def client(self) -> Client:
        """A client, once the server answers for its namespace and knows the search attributes."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                client = await Client.connect(self.address)
                await client.count_workflows("PlangateAgent = 'support'")
                return client
            except (RPCError, RuntimeError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)

    # --- Temporal ---

    def start_temporal(self) -> None:
        """Start the server on its file, with the settings that the product's embedded server has."""
        command = [str(TEMPORAL), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port), "--headless"]
        command += ["--db-filename", str(self.data / "temporal.db"), "--log-level", "error"]
        command += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        for shard in ("transfer", "timer", "visibility"):
            command += ["--dynamic-config-value", f"history.{shard}ProcessorMaxPollRPS=5000"]
        for attribute in SEARCH_ATTRIBUTES:
            command += ["--search-attribute", attribute]
        self.temporal = self.spawn(command, "temporal", TEMPORAL_VERSION_CHECK_DISABLED="1")

    def kill_temporal(self) -> None:
        """SIGKILL the server."""
        assert self.temporal is not None
        self.temporal.kill()
        self.temporal.wait()

    def spawn(self, command: list[str], name: str, **environment: str) -> subprocess.Popen[bytes]:
        """A child whose output goes to its log."""
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=clean_environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    # --- workers ---

    def worker_environment(self) -> dict[str, str]:
        """What a worker is told."""
        models = ("PLANGATE_PLAN_MODEL", "PLANGATE_ANSWER_MODEL", "PLANGATE_SCREEN_MODEL")
        return {
            "TEMPORAL_ADDRESS": self.address,
            "PLANGATE_DATA": str(self.data),
            "PLANGATE_DATABASE_URL": self.database_url,
            "PLANGATE_AGENTS": str(self.agents),
            "PLANGATE_SWEEP_SECONDS": str(SWEEP_SECONDS),
            "OPENAI_BASE_URL": self.model.base_url,
            "OPENAI_API_KEY": FAKE_KEY,
            **dict.fromkeys(models, "chaos-1"),
            "PLANGATE_MODEL_PRICES": json.dumps({"chaos-1": {"input": 1, "output": 1}}),
            **self.settings,
            **self.environment,
        }

    async def start_nursery(self) -> None:
        """Start the nursery."""
        log = (self.logs / "nursery.log").open("ab")
        self.nursery = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.chaos.nursery",
            env=clean_environment(PLANGATE_AGENTS=str(self.agents)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
        )
        log.close()
        assert self.nursery.stdout is not None
        line = await asyncio.wait_for(self.nursery.stdout.readline(), START_SECONDS)
        assert b"ready" in line, f"the nursery doesn't start: {line!r}, see {self.logs / 'nursery.log'}"
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.nursery is not None
        assert self.nursery.stdout is not None
        while line := await self.nursery.stdout.readline():
            told = json.loads(line)
            if name := told.get("born"):
                self.births += 1
                self.pids[name] = told["pid"]
            elif name := told.get("died"):
                self.pids.pop(name, None)
                number = told["signal"]
                self.deaths[signal.Signals(number).name if number else f"exit {told['code']}"] += 1
                self.on_death(name)

    async def keep(self, *names: str, env: Mapping[str, str] | None = None, sabotage: tuple[str, ...] = ()) -> None:
        """Have workers of these names kept alive, from their next life on with the environment as it is now."""
        for name in names:
            order = {
                "do": "keep",
                "name": name,
                "env": {**self.worker_environment(), **(env or {}), "PLANGATE_WORKER": name},
                "log": str(self.logs / f"{name}.log"),
                "sabotage": list(sabotage or self.sabotage),
            }
            await self._order(order)

    async def restart(self, *names: str) -> None:
        """Have workers start, or start again, with the environment as it is now; returns when they poll."""
        living = {name: self.ready(name) for name in names}
        for name in names:
            await self.keep(name)
            if self.signal(name, signal.SIGKILL):
                self.deaths["SIGKILL"] -= 1  # not one of the storm's
        async with asyncio.timeout(START_SECONDS):
            while not all(self.ready(name) > before for name, before in living.items()):  # noqa: ASYNC110 - see below
                await asyncio.sleep(0.05)

    async def drop(self, *names: str) -> None:
        """Have workers end, for good."""
        for name in names:
            await self._order({"do": "drop", "name": name})

    async def _order(self, order: dict[str, Any]) -> None:
        assert self.nursery is not None
        assert self.nursery.stdin is not None
        self.nursery.stdin.write((json.dumps(order) + "\n").encode())
        await self.nursery.stdin.drain()

    def ready(self, name: str) -> int:
        """How often a worker of this name came as far as polling."""
        log = self.logs / f"{name}.log"
        return log.read_bytes().count(b'{"ready": true') if log.exists() else 0

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Send a worker a signal; whether it lived."""
        pid = self.pids.get(name)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False


@contextlib.asynccontextmanager
async def running_rig(
    folder: Path,
    agents: Path,
    *,
    database_url: str = "",
    sabotage: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> AsyncIterator[Rig]:
    """Run everything on `folder` until the end of the block; workers are born when they are asked for.

    Args:
        folder: Holds the data folder.
        agents: The agents to serve.
        database_url: Of an empty database; by default a SQLite file.
        sabotage: What each worker loses.
        environment: Further variables of the workers.
    """
    data = folder / "data"
    (data / "logs").mkdir(parents=True)
    url = database_url or f"sqlite:///{data / 'plangate.db'}"
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(FakeModel())
        rig = Rig(data, agents, url, model, sabotage=sabotage, environment=dict(environment or {}))
        rig.start_temporal()
        stack.callback(lambda: _end(rig.temporal))
        services = _start_services(rig)
        stack.callback(lambda: _end(services))
        try:
            await asyncio.gather(rig.start_nursery(), rig.client(), asyncio.to_thread(_migrate, rig))
            write_facts(rig)
            yield rig
        finally:
            await _end_nursery(rig)


def write_facts(rig: Rig) -> None:
    """`system.json`, so that the commands and the checker find the system."""
    facts = {"address": rig.address, "namespace": "default", "pids": {}, "settings": rig.settings}
    (rig.data / "system.json").write_text(json.dumps(facts), encoding="utf-8")


def _start_services(rig: Rig) -> subprocess.Popen[str]:
    script = rig.agents / "support" / "services.py"
    with (rig.logs / "services.log").open("ab") as log:
        services = subprocess.Popen(
            [sys.executable, str(script), "--data", str(rig.data / "support"), "--until-eof"],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
    assert services.stdout is not None
    rig.settings = json.loads(services.stdout.readline())
    url = rig.settings["PLANGATE_SUPPORT_PAYMENTS_URL"]
    rig.settings["PLANGATE_SUPPORT_PAYMENTS_URL"] = url.replace("://", f"://desk:{FAKE_PASSWORD}@")
    return services


def _migrate(rig: Rig) -> None:
    """Make the schema and the agent's tables, once and before any worker."""
    environment = clean_environment(PLANGATE_DATABASE_URL=rig.database_url, PLANGATE_AGENTS=str(rig.agents))
    subprocess.run([sys.executable, "-m", "tests.chaos.shop"], env=environment, cwd=ROOT, check=True)


async def _end_nursery(rig: Rig) -> None:
    if rig.nursery is not None:
        assert rig.nursery.stdin is not None
        rig.nursery.stdin.close()
        try:
            await asyncio.wait_for(rig.nursery.wait(), 10)
        except TimeoutError:
            rig.nursery.kill()
            await rig.nursery.wait()
    if rig._listener is not None:
        rig._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rig._listener


def _end(process: subprocess.Popen[Any] | None) -> None:
    if process is None:
        return
    streams: list[IO[Any] | None] = [process.stdin, process.stdout]
    for stream in streams:
        if stream is not None:
            stream.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
