"""Children: ready, dead and back, ended with grace, never orphaned. With tiny programs that start quickly."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workers.supervised import alive, environment, eventually
from workers.supervisor.environment import announced_ready, announced_settings
from workers.supervisor.processes import Child, ProcessGroup, Program, StartFailed, rotate

READY = 'print("{\\"ready\\": true}", flush=True); '
STAY = "import signal\nwhile True: signal.pause()"


class Children:
    """Makes children that are ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.group = ProcessGroup()
        self.said: list[str] = []
        self.ready: list[Any] = []
        self.all: list[Child] = []

    def make(self, source: str, **settings: Any) -> Child:
        program = Program(
            name="thing",
            command=[sys.executable, "-I", "-S", "-c", source],
            environment=environment,
            **{"announcement": announced_ready, **settings},
        )
        child = Child(program, self.log, self.group, say=self.said.append, on_ready=self.ready.append)
        self.all.append(child)
        return child

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "thing.log"


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    made = Children(tmp_path)
    yield made
    await asyncio.gather(*(child.stop() for child in made.all))
    await made.group.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


async def test_a_child_is_ready_when_it_says_so_and_its_output_is_logged(children: Children) -> None:
    child = children.make(f'print("hello"); print("{{broken"); print("[1]"); {READY}print("more", flush=True)\n{STAY}')
    assert await child.start() == {"ready": True}
    assert children.ready == [{"ready": True}]
    await until(lambda: "more" in children.log.read_text())
    assert children.log.read_text().splitlines() == ["hello", "{broken", "[1]", '{"ready": true}', "more"]


async def test_a_child_that_ends_at_once_is_an_error_with_the_end_of_its_log(children: Children) -> None:
    child = children.make('import sys; sys.exit("the port 1 is in use")')
    with pytest.raises(StartFailed, match=r"thing ended with exit code 1 before it was ready(?s:.)*port 1 is in use"):
        await child.start()
    assert child.pid is None


async def test_a_child_that_is_never_ready_is_ended(children: Children) -> None:
    child = children.make(STAY, start_seconds=0.3)
    with pytest.raises(StartFailed, match="was not ready within"):
        await child.start()
    await until(lambda: child.pid is None)


async def test_a_killed_child_comes_back_until_it_is_stopped(children: Children) -> None:
    child = children.make(READY + "\n" + STAY)
    await child.start()
    for times in (1, 2):
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda times=times: child.restarts == times)
        assert child.pid not in (None, first)
    assert children.said[0] == "thing was ended by SIGKILL; starting it again"
    assert children.said[1].startswith("thing is back after")
    last = child.pid
    await child.stop()
    assert last is not None
    assert not alive(last)
    assert child.restarts == 2


async def test_a_child_that_keeps_dying_waits_longer_each_time(children: Children) -> None:
    mark = children.folder / "once"
    first_time = f"import pathlib, sys; p = pathlib.Path({str(mark)!r}); "
    child = children.make(f"{first_time}\nif p.exists(): sys.exit(3)\np.touch()\n{READY}\n{STAY}")
    await child.start()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await until(lambda: len(children.said) >= 4)
    waits = [text.rpartition("again in ")[2] for text in children.said if "again in" in text]
    assert waits[:3] == ["0.2 s", "0.4 s", "0.8 s"]


async def test_a_child_that_ignores_sigterm_is_killed(children: Children) -> None:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    child = children.make(f"{ignore}\n{READY}\n{STAY}", stop_seconds=0.2)
    await child.start()
    pid = child.pid
    await child.stop()
    assert pid is not None
    assert not alive(pid)


async def test_a_child_has_an_empty_standard_input(children: Children) -> None:
    child = children.make(f"import sys; print(repr(sys.stdin.read())); {READY}\n{STAY}")
    await child.start()
    assert children.log.read_text().startswith("''\n")


async def test_a_line_without_end_does_not_stop_a_child(children: Children) -> None:
    child = children.make(f'print("x" * 5_000_000); {READY}\n{STAY}')
    assert await child.start() == {"ready": True}


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from workers.supervisor.processes import Child, ProcessGroup, Program
from tests.workers.supervised import environment

NEST = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(9999)'])"

async def main():
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + NEST
    stubborn += "\\nprint('[' + str(p.pid) + ']', flush=True)\\nwhile True: signal.pause()"
    program = Program("thing", [sys.executable, "-I", "-S", "-c", stubborn], environment, announcement=str.strip)
    group = ProcessGroup()
    child = Child(program, Path(sys.argv[1]) / "log", group, say=print, on_ready=lambda _: None)
    grandchild = (await child.start()).strip("[]")
    print(child.pid, grandchild, await group.id(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(alive, pids))
        supervisor.kill()
    eventually(lambda: not any(map(alive, pids)), "the child, its child and the guard are gone")


def test_a_large_log_is_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    rotate(log)
    log.write_bytes(b"x" * 10_000_001)
    rotate(log)
    assert not log.exists()
    assert log.with_name("x.log.1").stat().st_size == 10_000_001


def test_only_the_right_lines_are_announcements() -> None:
    assert announced_settings('{"PLANGATE_A_URL": "http://x"}\n') == {"PLANGATE_A_URL": "http://x"}
    for line in ("", "text", "{", "[]", '{"a": 1}', "{}"):
        assert announced_settings(line) is None
    assert announced_ready('{"ready": true, "task_queue": "q"}') == {"ready": True, "task_queue": "q"}
    for line in ('{"ready": false}', '{"level": "info"}', "ready"):
        assert announced_ready(line) is None
