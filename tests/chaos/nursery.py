"""A process that has imported everything a worker needs, and forks a fresh worker whenever it is asked for one.

A worker's start costs several seconds of processor time: imports, the agents' files, the hash of all loaded code that
Temporal makes of it. The nursery pays them once: it has no event loop, no Temporal runtime, no connection and no second
thread, so that a fork of it is as good as a new process. From then on each worker has a loop, a runtime, connections
and a death of its own.

    python -m tests.chaos.nursery

Reads one JSON object a line from standard input, writes one a line to standard output:

    {"do": "keep", "name": "w1", "env": {…}, "log": "FILE", "sabotage": ["ledger"]}    fork it, and again when it dies
    {"do": "drop", "name": "w1"}                                                       SIGTERM, and not again
    {"born": "w1", "pid": 12, "seconds": 0.01}    {"died": "w1", "pid": 12, "signal": 9, "code": null}

Ends, and its workers with it, when its standard input does.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.worker._worker import load_default_build_id

import workers.worker
from activities.catalogue import Catalogue, agents_folder
from tests.chaos import sabotage

PR_SET_PDEATHSIG = 1
OURS = ("PLANGATE_", "TEMPORAL_", "OPENAI_")
CRASH_LOOP_SECONDS = 0.5
"""A worker that ends by itself so soon is started again only after as long: something is down."""


@dataclass
class Kept:
    """A worker that is kept alive."""

    order: dict[str, Any]
    pid: int = 0
    born: float = 0.0
    due: float = 0.0
    """When to fork it; 0 while it lives."""
    dropped: bool = False


@dataclass
class Nursery:
    """The workers."""

    kept: dict[str, Kept] = field(default_factory=dict)

    def obey(self, order: dict[str, Any]) -> None:
        """Do what a line says."""
        name = order["name"]
        if order["do"] == "keep":
            known = self.kept.get(name)
            if known is not None and known.pid:
                known.order = order  # for its next life
                return
            self.kept[name] = Kept(order, due=time.monotonic())
        elif (known := self.kept.get(name)) is not None:
            known.dropped, known.due = True, 0.0
            if known.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(known.pid, signal.SIGTERM)
            else:
                del self.kept[name]

    def fork_what_is_due(self) -> None:
        """Fork the workers whose time has come."""
        for name, worker in self.kept.items():
            if worker.due and time.monotonic() >= worker.due:
                began = time.monotonic()
                pid = os.fork()
                if pid == 0:
                    live(worker.order)  # never returns
                worker.pid, worker.born, worker.due = pid, time.monotonic(), 0.0
                say(born=name, pid=pid, seconds=round(worker.born - began, 4))

    def bury(self) -> None:
        """Note who died; who is kept is due again."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, worker in list(self.kept.items()):
                if worker.pid != pid:
                    continue
                killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
                say(died=name, pid=pid, signal=killed, code=code)
                worker.pid = 0
                if worker.dropped:
                    del self.kept[name]
                else:
                    soon = killed is None and time.monotonic() - worker.born < 5
                    worker.due = time.monotonic() + (CRASH_LOOP_SECONDS if soon else 0.0)

    def work(self) -> None:
        """Obey until standard input ends."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        rest = b""
        while True:
            due = [worker.due for worker in self.kept.values() if worker.due]
            wait = max(0.0, min(due) - time.monotonic()) if due else 5.0
            ready, _, _ = select.select([0, woken], [], [], wait)
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
            if 0 in ready:
                read = os.read(0, 1 << 16)
                if not read:
                    return
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    self.obey(json.loads(line))
            self.bury()
            self.fork_what_is_due()

    def end(self) -> None:
        """Kill whoever still lives."""
        for worker in self.kept.values():
            if worker.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)


def live(order: dict[str, Any]) -> None:
    """A worker's life, in the child: its environment, its log, perhaps its sabotage, then the product's own `main`."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for name in [name for name in os.environ if name.startswith(OURS)]:
            del os.environ[name]
        os.environ.update(order["env"])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 256)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        sys.argv = ["plangate-worker"]
        for name in order.get("sabotage", ()):
            sabotage.SABOTAGES[name]()
        code = workers.worker.main()
    except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not go on as a second nursery
        with contextlib.suppress(OSError):
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def prepare() -> None:
    """Pay in advance what every worker would pay: the agents are loaded once, and so is the hash of the code."""
    loaded = Catalogue.load([agents_folder(os.environ["PLANGATE_AGENTS"])])
    assert not loaded.broken, loaded.broken
    Catalogue.load = lambda _: loaded
    load_default_build_id()
    gc.collect()
    gc.freeze()


def say(**facts: Any) -> None:
    """One line."""
    os.write(1, (json.dumps(facts) + "\n").encode())


def main() -> int:
    """Work until standard input ends."""
    prepare()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        print(f"the nursery has {threads} threads; a fork of it would be broken", file=sys.stderr)
        return 70
    nursery = Nursery()
    say(ready=True)
    try:
        nursery.work()
    finally:
        nursery.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
