"""The real system as child processes: supervisor, a second worker, a slow model. All end with this process's block."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
START_SECONDS = 90.0
MODEL_LATENCY_MS = 300
_OURS = ("PLANGATE_", "TEMPORAL_", "OPENAI_")


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without anything that configures the product."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **settings}


def until(condition: Callable[[], Any], what: str, *, seconds: float = START_SECONDS) -> Any:
    """Wait until a condition gives something true; returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} seconds: {what}")


@dataclass
class ChaosSystem:
    """A running system that can be hurt."""

    data: Path
    agents: Path
    supervisor: subprocess.Popen[str]
    second: subprocess.Popen[bytes] | None = None

    def facts(self) -> dict[str, Any]:
        """`system.json` as it is now."""
        return dict(json.loads((self.data / "system.json").read_text(encoding="utf-8")))

    @property
    def address(self) -> str:
        """The Temporal server."""
        return str(self.facts()["address"])

    def log(self, name: str) -> str:
        """A child's log."""
        return (self.data / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def worker_environment(self) -> dict[str, str]:
        """What a further worker needs to know."""
        facts = self.facts()
        return {
            "TEMPORAL_ADDRESS": facts["address"],
            "PLANGATE_DATA": str(self.data),
            "PLANGATE_AGENTS": str(self.agents),
            **facts["settings"],
        }

    # --- what is killed, and when it is back ---

    def kill(self, victim: str, *, wait: bool = True) -> bool:
        """SIGKILL the supervisor's child of this name, or the second worker, which is started again here.

        Args:
            victim: Its name.
            wait: Wait for one that is just being started again; otherwise it is left alone.

        Returns:
            Whether it was killed.
        """
        if victim == "second worker":
            assert self.second is not None
            self.second.kill()
            self.second.wait()
            self.start_second()
            return True
        pid = until(lambda: self._living(victim), f"{victim} is back") if wait else self._living(victim)
        if pid:
            os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def _living(self, name: str) -> int | None:
        """The process id of a child; None while it isn't back yet."""
        pid = int(self.facts()["pids"].get(name, 0))
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        return pid or None

    def start_second(self) -> None:
        """Start the second worker."""
        with (self.data / "logs" / "second-worker.log").open("ab") as log:
            self.second = subprocess.Popen(
                [sys.executable, "-m", "workers.worker"],
                env=clean_environment(**self.model, **self.worker_environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    @property
    def model(self) -> dict[str, str]:
        """Settings that lead to the slow model."""
        return dict(json.loads((self.data / "model.json").read_text(encoding="utf-8")))


@contextlib.contextmanager
def running_system(folder: Path, agents: Path, *, second_worker: bool = True) -> Iterator[ChaosSystem]:
    """Run everything on `folder` until the end of the block; nothing is left running, whatever happens."""
    data = folder / "data"
    (data / "logs").mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(_slow_model(data, agents))
        (data / "model.json").write_text(json.dumps(settings), encoding="utf-8")
        log = stack.enter_context((data / "logs" / "supervisor.log").open("ab"))
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "workers.supervisor", "--json", "--until-eof", "--data", str(data)],
            env=clean_environment(**settings, PLANGATE_AGENTS=str(agents)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
        stack.callback(_end, supervisor)
        assert supervisor.stdout is not None
        line = supervisor.stdout.readline()
        assert json.loads(line or "{}").get("ready"), f"the system doesn't start: {line} {(log.name)}"
        system = ChaosSystem(data, agents, supervisor)
        stack.callback(lambda: _end(system.second))
        if second_worker:
            system.start_second()
            until(lambda: '"ready"' in system.log("second-worker"), "the second worker is ready")
        yield system


@contextlib.contextmanager
def _slow_model(data: Path, agents: Path) -> Iterator[dict[str, str]]:
    """The offline model with a delay; gives the settings that lead to it."""
    port = _free_port()
    command = [sys.executable, "-m", "workers.offline_model", "--quiet", "--port", str(port), "--agents", str(agents)]
    with (data / "logs" / "slow-model.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--latency-ms", str(MODEL_LATENCY_MS)],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
    try:
        until(lambda: _listens(port), "the model listens")
        models = dict.fromkeys(("PLANGATE_PLAN_MODEL", "PLANGATE_ANSWER_MODEL", "PLANGATE_SCREEN_MODEL"), "offline-1")
        prices = {"PLANGATE_MODEL_PRICES": json.dumps({"offline-1": {"input": 0, "output": 0}})}
        yield {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "offline", **models, **prices}
    finally:
        _end(process)


def _end(process: subprocess.Popen[Any] | None) -> None:
    if process is None:
        return
    streams: list[IO[Any] | None] = [process.stdin, process.stdout]
    for stream in streams:
        if stream is not None:
            stream.close()  # the supervisor's children end with it
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
