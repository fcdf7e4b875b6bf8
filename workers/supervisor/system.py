"""The embedded system: Temporal server, offline model, companions and worker, started and ended in order."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activities.catalogue import agent_folders, agents_folder
from activities.injection.enabling import load_fault_plan, wanted_file
from activities.storage.engine import configured_url, shown_url
from activities.storage.schema import ensure_newest
from plangate.errors import PlangateError
from workers import embedded
from workers.connection import configured_target, connect
from workers.setup import register
from workers.supervisor.environment import (
    SystemState,
    announced_ready,
    announced_settings,
    broken_agents,
    child_environment,
    embedded_server_settings,
    offline_settings,
    wants_offline_model,
)
from workers.supervisor.folder import DataFolder
from workers.supervisor.processes import Child, ProcessGroup, Program, Say, StartFailed

COMPANION_SECONDS = 30.0
WORKER_STOP_SECONDS = 20.0
PORT_TRIES = 3


@dataclass(frozen=True)
class Options:
    """What the person asked for."""

    agents: str | None = None
    """`PLANGATE_AGENTS`, or `--agents`."""
    port: int | None = None
    ui_port: int | None = None
    worker: Sequence[str] = (sys.executable, "-P", "-m", "workers.worker")
    """The worker's command line."""


class System:
    """Everything that `plangate up` runs, on a data folder that this process owns.

    Args:
        folder: The data folder, taken.
        options: What was asked for.
        say: Told what happens while the system runs.
        environ: The environment that the children inherit.
    """

    def __init__(
        self, folder: DataFolder, options: Options, *, say: Say, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.folder = folder
        self.state = SystemState()
        self.children: dict[str, Child] = {}
        self.agents = Path()
        self._options = options
        self._say = say
        self._environ = dict(environ)
        self._group = ProcessGroup()
        self._ports = folder.ports()
        self._database = configured_url(folder.path)
        self._up = False
        self._chores: set[asyncio.Task[None]] = set()

    async def start(self) -> dict[str, Any]:
        """Start everything; returns what `system.json` says.

        Raises:
            PlangateError: Something can't be started; what was started already still has to be stopped.
        """
        self.state.faults = _fault_plan(self._environ)
        for name, pid in self.folder.end_leftovers().items():
            self._say(f"ended {name} (process {pid}), left behind by an earlier `plangate up`")
        self.agents = agents_folder(self._options.agents).absolute()
        await _together(self._start_database(), self._start_temporal(), self._start_model(), self._start_companions())
        await self._start_worker()
        self.state.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._up = True
        return self._publish()

    async def stop(self) -> None:
        """End everything: the worker first, Temporal last."""
        self._up = False
        for chore in self._chores:
            chore.cancel()
        worker, temporal = self.children.pop("worker", None), self.children.pop("temporal", None)
        if worker is not None:
            await worker.stop()
        await asyncio.gather(*(child.stop() for child in self.children.values()))
        if temporal is not None:
            await temporal.stop()
        await self._group.close()

    def kill(self) -> None:
        """End everything at once."""
        for child in self.children.values():
            child.kill()

    # --- parts ---

    async def _start_database(self) -> None:
        await ensure_newest(self._database)
        self.state.database = shown_url(self._database)

    async def _start_temporal(self) -> None:
        target = configured_target()
        if target is not None:
            self.state.address, self.state.namespace = target.address, target.namespace
            self.state.ui = self._environ.get("PLANGATE_TEMPORAL_UI", "")
            client = await connect(target)
            try:
                await register(client)
            except PlangateError as error:
                self._say(f"warning: {error}")
            return
        binary = await embedded.obtain_binary(self.folder.path / "bin")
        await self._on_free_ports(self._start_embedded, binary)

    async def _start_embedded(self, binary: Path, fresh: bool) -> None:
        port, ui_port = self._options.port, self._options.ui_port
        if port is None:
            port = self._port("temporal", embedded.PORT, fresh)
        if ui_port is None:
            ui_port = self._port("ui", embedded.UI_PORT, fresh)
        address = f"{embedded.HOST}:{port}"
        command = embedded.server_command(binary, self.folder.temporal_database, port=port, ui_port=ui_port)
        await self._child(
            Program(
                name="temporal",
                command=command,
                environment=lambda: embedded.server_environment(self._environ),
                announcement=embedded.announced_port,
                probe=lambda: embedded.healthy_client(address),
            )
        ).start()
        self._environ = embedded_server_settings(self._environ, address, embedded.NAMESPACE)
        self.folder.remember_ports({"temporal": port, "ui": ui_port})
        self.state.address, self.state.namespace = address, embedded.NAMESPACE
        self.state.ui = f"http://{embedded.HOST}:{ui_port}"

    async def _start_model(self) -> None:
        self.state.base_url = self._environ.get("OPENAI_BASE_URL", "")
        self.state.offline = wants_offline_model(self._environ)
        if self.state.offline:
            await self._on_free_ports(self._start_offline_model, self.agents)

    async def _start_offline_model(self, agents: Path, fresh: bool) -> None:
        port = self._port("model", None, fresh)
        command = [sys.executable, "-P", "-m", "workers.offline_model", "--port", str(port), "--agents", str(agents)]
        await self._child(
            Program(
                name="offline-model",
                command=[*command, "--quiet"],
                environment=lambda: child_environment(self._environ),
                probe=lambda: _listening(port),
            )
        ).start()
        self.folder.remember_ports({"model": port})
        self.state.base_url = f"http://{embedded.HOST}:{port}/v1"

    async def _start_companions(self) -> None:
        companions = [path for folder in agent_folders(self.agents) if (path := folder / "services.py").is_file()]
        await asyncio.gather(*(self._start_companion(path) for path in companions))

    async def _start_companion(self, services: Path) -> None:
        """Start `agents/NAME/services.py`. When it can't be, the other agents still work: it is only said."""
        agent = services.parent.name
        name = f"{agent}-services"

        def ready(settings: dict[str, str]) -> None:
            changed = self._up and self.state.settings.get(name) != settings
            self.state.settings[name] = settings
            if changed and (worker := self.children.get("worker")) is not None:
                self._say(f"{name} has new addresses; starting the worker again")
                self._later(worker.restart())

        program = Program(
            name=name,
            command=[sys.executable, str(services), "--data", str(self.folder.path / agent)],
            environment=lambda: child_environment(self._environ, {"PLANGATE_DATA": str(self.folder.path)}),
            announcement=announced_settings,
            start_seconds=COMPANION_SECONDS,
        )
        try:
            await self._child(program, ready).start()
        except (StartFailed, OSError) as error:
            del self.children[name]
            self._say(f"warning: the services of the agent {agent!r} don't run: {error}")

    async def _start_worker(self) -> None:
        await self._on_free_ports(self._start_worker_once, None)

    async def _start_worker_once(self, _: None, fresh: bool) -> None:
        health = self._port("health", None, fresh)

        def ready(told: dict[str, Any]) -> None:
            broken = broken_agents(told)
            if self._up and broken != self.state.broken:
                for name in broken:
                    self._say(f"warning: the agent {name!r} isn't served: plangate agents validate {name}")
            self.state.broken = broken

        await self._child(
            Program(
                name="worker",
                command=self._options.worker,
                environment=lambda: self._worker_environment(health),
                announcement=announced_ready,
                stop_seconds=WORKER_STOP_SECONDS,
            ),
            ready,
        ).start()
        self.folder.remember_ports({"health": health})

    def _worker_environment(self, health_port: int) -> dict[str, str]:
        own = {
            "PLANGATE_DATA": str(self.folder.path),
            "PLANGATE_DATABASE_URL": self._database,
            "PLANGATE_AGENTS": str(self.agents),
            "PLANGATE_HEALTH_PORT": str(health_port),
        }
        model = offline_settings(self.state.base_url) if self.state.offline else {}
        return child_environment(self._environ, self.state.companion_settings(), model, own)

    # --- how parts are started ---

    def _child(self, program: Program, on_ready: Any = None) -> Child:
        def ready(value: Any) -> None:
            if on_ready is not None:
                on_ready(value)
            if self._up:
                self._publish()

        child = Child(program, self.folder.log(program.name), self._group, say=self._say, on_ready=ready)
        self.children[program.name] = child
        return child

    def _port(self, name: str, preferred: int | None, fresh: bool) -> int:
        return embedded.free_port() if fresh else embedded.free_port(self._ports.get(name), preferred)

    async def _on_free_ports(self, start: Any, argument: Any) -> None:
        """Start something on its usual ports; when that fails, on new ones: somebody else may have been quicker."""
        for attempt in range(PORT_TRIES):
            try:
                await start(argument, attempt > 0)
                return
            except StartFailed as error:
                if attempt == PORT_TRIES - 1 or "in use" not in error.message:
                    raise

    def _publish(self) -> dict[str, Any]:
        pids = {name: child.pid for name, child in self.children.items() if child.pid is not None}
        system = self.state.as_json({"supervisor": os.getpid(), **pids})
        self.folder.publish(system)
        return system

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        chore = asyncio.create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)


def _fault_plan(environ: Mapping[str, str]) -> str:
    """The file of the fault plan that the children will follow; empty in the usual case.

    Raises:
        InvalidInput: Faults are wanted but not enabled, or the plan can't be used.
    """
    path = wanted_file(environ)
    if path is None:
        return ""
    load_fault_plan(path)
    return str(path)


async def _listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(embedded.HOST, port)
        except OSError:
            await asyncio.sleep(0.03)
        else:
            writer.close()
            return


async def _together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run at once; the first failure cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
