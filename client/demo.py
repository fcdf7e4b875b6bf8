"""`plangate demo`: everything once, from a customer's sentence to the answer, on an embedded system of its own."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.cli.asking import Asker
from client.cli.following import Ask, Follower
from client.cli.options import acting_person, go, interactive, print_json
from client.connection import data_folder
from client.embedded import EmbeddedSystem
from client.errors import ClientError, ExitCode
from client.render.gates import gate_box
from client.render.outcome import print_result
from client.render.run import print_request
from client.render.text import make_console
from client.runs import Plangate
from plangate.approvals import ApprovalRequest
from plangate.run_status import RunResult
from plangate.runs import Outcome, RunRequest

AGENT = "support"
REQUEST = "Hi, the teapot from my order 1042 arrived broken. I'd like my money back, please."
RUN_SECONDS = 55.0
"""Longest time for the run when nobody is at the terminal."""
APPROVER = "demo (no terminal)"
_REAL_WORK = ("PLANGATE_DATABASE_URL", "PLANGATE_TASK_QUEUE")
CUSTOMERS = {
    "1042": "rosa.amsel@example.com",
    "1051": "tobias.fenn@example.com",
    "1060": "imani.vale@example.com",
    "1027": "percy.holm@example.com",
    "1015": "marguerite.sund@example.com",
    "1048": "marguerite.sund@example.com",
    "1039": "marguerite.sund@example.com",
    "1033": "otis.quill@example.com",
}
"""Who placed the orders of the example shop; the demo's sentence is theirs."""


def run_demo(request: str, *, data: str = "", as_json: bool = False, storm: int | None = None) -> int:
    """Run the demo, or with a storm the game day.

    Args:
        request: What a customer writes; empty for the usual sentence.
        data: A data folder to use as it is; by default `demo` in the usual one, emptied first, so that a refund of
            the last demo doesn't stand in the way of this one.
        as_json: Print the run's result as JSON and end, without asking.
        storm: The seed of a storm of faults.

    Returns:
        The exit code: 0, but `FAILED` or `CANCELLED` when the run ends like that. In a storm: 0 when the invariants
        hold, else `FAILED`.
    """
    folder = Path(data) if data else data_folder() / "demo"
    isolate(folder)
    if not data:
        make_fresh(folder)
    out = make_console(sys.stderr if as_json else None)
    asks = interactive() and not as_json
    if storm is None:
        return go(Demo(folder, request or REQUEST, out, asks=asks).run(as_json=as_json))
    from client.storm.game_day import GameDay

    return go(GameDay(folder, request or REQUEST, out, asks=asks, seed=storm).run(as_json=as_json))


def isolate(folder: Path) -> None:
    """Let nothing that is configured for real work reach the demo, which has a server and a database of its own."""
    for name in [*os.environ]:
        if name.startswith(("TEMPORAL_", "PLANGATE_FAULTS")) or name in _REAL_WORK:
            del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = str(folder / "no-temporal.toml")


def make_fresh(folder: Path) -> None:
    """Empty the folder of earlier demos, unless one is running there.

    What the supervisor needs to end processes that an earlier one left behind stays.
    """
    try:
        with (folder / "up.lock").open("a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for entry in folder.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.name not in ("up.lock", "system.json", "ports.json"):
                    entry.unlink(missing_ok=True)
    except OSError:
        return  # there is none yet, or somebody uses it: the supervisor says so


def customer(request: str) -> str:
    """The customer whose order a sentence names; the usual one if it names none of the known."""
    numbers = re.findall(r"\b\d{4}\b", request)
    return next((CUSTOMERS[number] for number in numbers if number in CUSTOMERS), CUSTOMERS["1042"])


class Demo:
    """One demonstration.

    Args:
        folder: The data folder.
        request: What the customer writes.
        out: Where to print.
        asks: Whether a person is at the terminal.
    """

    hint = "Set OPENAI_API_KEY to use a real one."
    """What the banner says of the offline model."""

    def __init__(self, folder: Path, request: str, out: Console, *, asks: bool) -> None:
        self.folder = folder
        self.request = RunRequest(agent=AGENT, request=request, user=customer(request), stream=True)
        self._out = out
        self._asks = asks
        self._plangate: Plangate | None = None

    async def run(self, *, as_json: bool) -> int:
        """Start the system, run the example, show it, end everything."""
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        system = EmbeddedSystem(self.folder)
        await self._start(system)
        try:
            print_banner(self._out, system.facts, self.folder, hint=self.hint)
            result = await self._show()
            if as_json:
                print_json(self.document(result))
            if self._asks:
                await self._stay(system)
        finally:
            if self._asks:
                self._out.print(Text("\nStopping…", style="dim"))
            await system.stop()
        return self.code(result)

    def document(self, result: RunResult) -> Any:
        """What `--json` prints."""
        return result

    def code(self, result: RunResult) -> int:
        """The exit code."""
        bad = {Outcome.FAILED: ExitCode.FAILED, Outcome.CANCELLED: ExitCode.CANCELLED}
        return bad.get(result.outcome, ExitCode.OK)

    async def _start(self, system: EmbeddedSystem) -> None:
        words = "Starting a Temporal server with its UI, a worker and the example shop…"
        if not self._out.is_terminal:
            self._out.print(words)
            await system.__aenter__()
            return
        with self._out.status(Text(words), spinner="dots"):
            await system.__aenter__()

    async def _show(self) -> RunResult:
        plangate = self._plangate = await Plangate.connect(self.folder)
        started = await plangate.start(self.request)
        print_request(self._out, started.run, AGENT, self.request.request, self.request.user)
        following = Follower(plangate, started.run, self._out, ask=self._asker(plangate)).follow()
        try:
            result = await (following if self._asks else asyncio.wait_for(following, RUN_SECONDS))
        except TimeoutError:
            raise ClientError(
                f"The run {started.run} hasn't ended within {RUN_SECONDS:g} seconds.",
                hint=f"The worker's log is in {self.folder / 'logs'}.",
                code=ExitCode.FAILED,
            ) from None
        print_result(self._out, result, url=started.ui)
        return result

    def _asker(self, plangate: Plangate) -> Ask:
        return Asker(plangate, self._out, acting_person("")).ask if self._asks else self._approve_from_elsewhere

    async def _approve_from_elsewhere(self, gate: ApprovalRequest) -> bool:
        """Nobody is here to ask: a second process sends the signal, as a client's script would."""
        command = ["approve", gate.id, "--digest", gate.digest[:16], "--signal", "--as", APPROVER]
        self._out.print(gate_box(gate))
        self._out.print("Waiting for approval. Nobody is at a terminal, so a second process sends the signal:")
        self._out.print(Text(f"  plangate {shlex.join(command)}", style="cyan"), soft_wrap=True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "client.cli", *command, "--data", str(self.folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
        if process.returncode != 0:
            raise ClientError(f"The approval couldn't be sent: {told.decode(errors='replace').strip()}")
        self._out.print()
        return True

    async def _stay(self, system: EmbeddedSystem) -> None:
        """Keep everything open until Ctrl-C."""
        self._out.print()
        self._out.print(
            Text("Everything stays open until Ctrl-C.", style="bold").append(" Meanwhile, elsewhere:", "not bold")
        )
        for command in (
            f"export PLANGATE_DATA={shlex.quote(str(self.folder))}",
            'plangate run support "Where is my order 1060?" --user imani.vale@example.com',
            "plangate runs      plangate inbox      plangate doctor",
        ):
            self._out.print(Text(f"  {command}", style="cyan"), soft_wrap=True)
        try:
            code = await system.wait()
        except asyncio.CancelledError:  # Ctrl-C: the way to end a demo
            return
        raise ClientError(f"The embedded system ended by itself (exit code {code}); see {self.folder / 'logs'}.")


def print_banner(out: Console, facts: dict[str, Any], folder: Path, *, hint: str) -> None:
    """Say what runs, and which model it is."""
    model = facts.get("model") or {}
    words = Text("the offline model", style="yellow").append(
        ": it follows rules of the agent's folder.\n" + hint, style="default"
    )
    if not model.get("offline"):
        words = Text(str(model.get("base_url") or "OpenAI"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("  model", words)
    table.add_row("  Temporal UI", Text(str(facts.get("ui", "")), style="cyan"))
    table.add_row("  data", Text(str(folder)))
    out.print(Text("Plangate", style="bold").append("  a model proposes, the workflow disposes", style="not bold dim"))
    out.print(table)
    out.print()
