"""A supervised system in a process of its own, with a stub in the worker's place and one small agent."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from workers.embedded import free_port

START_SECONDS = 90.0
WAIT_SECONDS = 60.0

STUB_WORKER = """
import json, os, pathlib, signal, sys
folder = pathlib.Path(os.environ["PLANGATE_DATA"])
told = ("PLANGATE_", "TEMPORAL_", "OPENAI_", "NO_PROXY")
whole = folder / "worker-environment.part"
whole.write_text(json.dumps({n: v for n, v in os.environ.items() if n.startswith(told)}))
whole.rename(folder / "worker-environment.json")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("not the announcement", flush=True)
print(json.dumps({"ready": True, "agents": ["tiny"], "broken": {"torn": 2}}), flush=True)
while True:
    signal.pause()
"""

SERVICES = """
import json, pathlib, signal, sys
folder = pathlib.Path(sys.argv[sys.argv.index("--data") + 1])
folder.mkdir(parents=True, exist_ok=True)
starts = folder / "starts"
starts.write_text(str(int(starts.read_text() or 0) + 1 if starts.exists() else 1))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(json.dumps({"PLANGATE_TINY_URL": "http://127.0.0.1:" + ("1" if starts.read_text() == "1" else "2")}), flush=True)
while True:
    signal.pause()
"""


def environment(**settings: str) -> dict[str, str]:
    """The tests' environment without anything that configures Plangate, Temporal or a model."""
    ours = ("PLANGATE_", "TEMPORAL_", "OPENAI_")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **settings}


def make_agents(root: Path) -> Path:
    """A folder of agents: `tiny`, with a companion."""
    tiny = root / "agents" / "tiny"
    tiny.mkdir(parents=True)
    (tiny / "agent.yaml").write_text("title: Tiny\nexamples: [Say hello.]\n")
    (tiny / "services.py").write_text(SERVICES)
    return tiny.parent


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds; returns its value."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {WAIT_SECONDS:.0f} seconds: {what}")


@dataclass
class Supervised:
    """A running `plangate up --json`."""

    process: subprocess.Popen[str]
    data: Path
    ready: dict[str, Any]

    @property
    def system(self) -> dict[str, Any]:
        """`system.json` as it is now."""
        return dict(json.loads((self.data / "system.json").read_text()))

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return dict(self.system["pids"])

    def log(self, name: str) -> str:
        """A child's log."""
        return (self.data / "logs" / f"{name}.log").read_text()

    def told_worker(self) -> dict[str, str]:
        """The environment that the worker got."""
        return dict(json.loads((self.data / "worker-environment.json").read_text()))

    def kill_and_wait(self, name: str) -> None:
        """Kill a child and wait until another one is in its place."""
        before = self.pids[name]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.pids.get(name) not in (None, before), f"{name} is back")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS)


def up(data: Path, agents: Path, *more: str, **settings: str) -> Supervised:
    """Start a system and wait until it is ready."""
    process = launch(data, agents, *more, **settings)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        return Supervised(process, data, json.loads(line))
    except BaseException:
        process.kill()
        raise


def launch(data: Path, agents: Path, *more: str, **settings: str) -> subprocess.Popen[str]:
    """Start `plangate up --json` with the stub worker. Its server isn't on Temporal's default ports."""
    data.mkdir(exist_ok=True)
    if not (ports := data / "ports.json").exists():
        ports.write_text(json.dumps({name: _lasting_port() for name in ("temporal", "ui", "model")}))
    command = [sys.executable, "-m", "tests.workers.supervised", "--json", "--data", str(data), "--agents", str(agents)]
    return subprocess.Popen(
        [*command, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**settings),
        cwd=Path(__file__).parents[2],
    )


def _lasting_port() -> int:
    """A free port that stays free between two lives: outside of those that the kernel gives to others."""
    return free_port(*random.sample(range(20_000, 32_000), 50))


def end(supervised: Supervised) -> None:
    """Whatever happened: nothing is left running."""
    with contextlib.suppress(ProcessLookupError):
        supervised.process.kill()
    supervised.process.wait(WAIT_SECONDS)


if __name__ == "__main__":
    from workers.supervisor import __main__ as program

    program.Options = partial(program.Options, worker=(sys.executable, "-I", "-S", "-c", STUB_WORKER))  # type: ignore
    sys.exit(program.main())
