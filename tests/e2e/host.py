"""A running `plangate up`, and the command line as a process. No output may ever have a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from tests.e2e.cases import Case, make_cases

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WAIT_SECONDS = 60.0
_FOREIGN = ("PLANGATE_", "TEMPORAL_", "OPENAI_", "COLUMNS")


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def all(self) -> str:
        """Everything it wrote."""
        return self.out + self.err


def environment(**settings: str) -> dict[str, str]:
    """An environment in which nothing of this machine's configuration counts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    loopback = "127.0.0.1,localhost"
    return {**kept, "COLUMNS": "100", "NO_PROXY": loopback, "no_proxy": loopback, **settings}


def run_program(command: list[str], *, input: str = "", cwd: Path = ROOT, seconds: float = 90, **env: str) -> Ended:
    """Run a program to its end, without a terminal.

    Args:
        command: What.
        input: Its standard input.
        cwd: Where.
        seconds: How long at most.
        env: Environment variables of its own.
    """
    began = time.monotonic()
    done = subprocess.run(
        command,
        input=input,
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    ended = Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)
    assert "Traceback" not in ended.all, f"{command}\n{ended.all}"
    return ended


def plangate(*args: str, input: str = "", cwd: Path = ROOT, seconds: float = 90, **env: str) -> Ended:
    """Run `plangate`; the options are those of `run_program`."""
    return run_program([str(BIN / "plangate"), *args], input=input, cwd=cwd, seconds=seconds, **env)


@dataclass
class Host:
    """A running `plangate up`."""

    data: Path
    facts: dict[str, Any]
    cases: Iterator[Case] = field(default_factory=lambda: iter(make_cases(random.Random(1), 40, "e2e")))
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def address(self) -> str:
        """The Temporal server."""
        return str(self.facts["address"])

    def cli(self, *args: str, input: str = "") -> Ended:
        """Run `plangate` against this system."""
        return plangate(*args, input=input, PLANGATE_DATA=str(self.data))

    def temporal(self, *args: str) -> Ended:
        """Run the `temporal` command line against this system."""
        return run_program([str(BIN / "temporal"), *args, "--address", self.address])

    def case(self) -> Case:
        """An order that no other test uses."""
        return next(self.cases)

    def waiting(self) -> tuple[Case, str, dict[str, Any]]:
        """A refund that waits for its approval: the case, the run's id, the gate."""
        case = self.case()
        started = self.cli("run", "support", case.request, "--user", case.customer, "--no-watch", "--json")
        assert started.code == 0, started.all
        return case, started.json["run"], self.gate(started.json["run"])

    def gate(self, run: str) -> dict[str, Any]:
        """Wait for a run's gate."""
        return dict(self.ask(run, "pending_approvals", lambda found: len(found) == 1)[0])

    def ask(self, run: str, query: str, wanted: Callable[[Any], bool]) -> Any:
        """Query a run until the answer is what is wanted."""
        return asyncio.run(self._ask(run, query, wanted))

    async def _ask(self, run: str, query: str, wanted: Callable[[Any], bool]) -> Any:
        client = await Client.connect(self.address)
        answer: Any = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    with contextlib.suppress(RPCError):
                        answer = await client.get_workflow_handle(run).query(query)
                        if wanted(answer):
                            return answer
                    await asyncio.sleep(0.05)
        raise AssertionError(f"{query} of {run} after {WAIT_SECONDS:g} seconds: {answer}")

    def outcome(self, run: str) -> dict[str, Any]:
        """Wait for a run's end; its status."""
        return dict(self.ask(run, "status", lambda status: status.get("phase") == "ended"))

    def refunds(self, case: Case) -> list[dict[str, Any]]:
        """What the payment service did about an order."""
        import httpx2

        url = f"{self.facts['settings']['PLANGATE_SUPPORT_PAYMENTS_URL']}/refunds"
        with httpx2.Client(trust_env=False) as http:
            return list(http.get(url, params={"order_id": case.order}).json()["refunds"])


@contextlib.contextmanager
def running_host(folder: Path, agents: Path) -> Iterator[Host]:
    """`plangate up` on a folder of its own; everything ends with the block."""
    data = folder / "data"
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [str(BIN / "plangate"), "up", "--json", "--until-eof", "--data", str(data), "--agents", str(agents)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment(),
            cwd=ROOT,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        facts = json.loads(line or "{}")
        assert facts.get("ready"), f"{line}\n{(folder / 'up.log').read_text()}"
        yield Host(data, facts)
    finally:
        process.stdin.close()
        try:
            process.wait(40)
        finally:
            process.kill()
            process.stdout.close()
