"""`plangate demo --faults`: the example under a storm, told line by line, with a verdict at the end."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from client.demo import AGENT, Demo
from client.errors import ClientError, ExitCode
from client.render.outcome import print_result
from client.render.run import print_request
from client.runs import Plangate, Started
from client.storm.happenings import Happening, Kind, Witness
from client.storm.telling import tell
from client.storm.verdict import ask_judge, print_verdict
from client.storm.weather import Weather, make_weather
from plangate.run_status import RunResult

STORM_SECONDS = 150.0
"""Longest time for the run when nobody is at the terminal."""
BEFORE_THE_KILL_SECONDS = 1.0
SETTLED = timedelta(seconds=0.6)
"""Lines wait so long for earlier ones that somebody else tells."""
_SETTINGS = {
    "PLANGATE_FAULTS_ENABLED": "yes-break-things",
    "PLANGATE_BREAKER_SECONDS": "6",  # 30 by default; nobody wants to watch that
}


class GameDay(Demo):
    """One game day.

    Args:
        folder: The data folder.
        request: What the customer writes.
        out: Where to print.
        asks: Whether a person is at the terminal.
        seed: Of the storm.
    """

    hint = "A game day always takes it: nobody's real model is broken for a show."

    def __init__(self, folder: Path, request: str, out: Console, *, asks: bool, seed: int) -> None:
        super().__init__(folder, request, out, asks=asks)
        self.weather: Weather = make_weather(seed)
        self.verdict: dict[str, Any] = {}
        self._told: list[Happening] = []
        plan = self.weather.write(folder)
        self._journal = folder / "faults.journal"
        self._journal.unlink(missing_ok=True)
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            os.environ.pop(name, None)
        os.environ.update(_SETTINGS, PLANGATE_FAULTS=str(plan), PLANGATE_FAULTS_JOURNAL=str(self._journal))

    def document(self, result: RunResult) -> Any:
        """What `--json` prints."""
        broke = [
            {"at": each.at.isoformat(), "who": each.who, **each.about} for each in self._told if each.kind is Kind.BROKE
        ]
        seed = self.weather.plan.seed
        return {"seed": seed, "broke": broke, "verdict": self.verdict, "result": result.model_dump(mode="json")}

    def code(self, result: RunResult) -> int:
        """0 when the invariants hold."""
        return ExitCode.OK if self.verdict.get("holds") else ExitCode.FAILED

    async def _show(self) -> RunResult:
        self._announce()
        plangate = await Plangate.connect(self.folder)
        began = datetime.now(UTC)
        started = await plangate.start(self.request)
        print_request(self._out, started.run, AGENT, self.request.request, self.request.user)
        witness = Witness(self.folder, self._journal, plangate, started.run)
        watching = asyncio.create_task(witness.watch())
        try:
            async with asyncio.timeout(None if self._asks else STORM_SECONDS):
                await self._tell_all(plangate, started, witness, began)
                result = await plangate.result(started.run)
        except TimeoutError:
            raise ClientError(
                f"The run {started.run} hasn't ended within {STORM_SECONDS:g} seconds.",
                hint=f"The logs are in {self.folder / 'logs'}; what broke is in {self._journal}.",
                code=ExitCode.FAILED,
            ) from None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        self._out.print()
        print_result(self._out, result.model_copy(update={"summary": ""}), url=started.ui)
        self._out.print()
        self.verdict = await ask_judge(self.folder, started.run)
        broke = sum(each.kind is Kind.BROKE for each in self._told)
        print_verdict(self._out, self.verdict, broke=broke, seed=self.weather.plan.seed)
        return result

    def _announce(self) -> None:
        head = Text("Game day", style="bold").append(f"  storm {self.weather.plan.seed}", style="bold red")
        head.append("  the model, the payment service, the mail server, a worker", style="dim")
        head.append("\nand the Temporal server will break. Watch the money.", style="dim")
        self._out.print(head)
        self._out.print()

    async def _tell_all(self, plangate: Plangate, started: Started, witness: Witness, began: datetime) -> None:
        """Tell what happens, in its order, until the run has ended; break the server; let gates be answered."""
        kill: asyncio.TimerHandle | None = None
        seen = 0
        while True:
            for happening in witness.seen[seen:]:
                if kill is None and (happening.who, happening.about.get("call")) == self.weather.server_dies_after:
                    kill = asyncio.get_running_loop().call_later(BEFORE_THE_KILL_SECONDS, witness.kill_server)
            seen = len(witness.seen)
            for happening in self._due(witness):
                self._told.append(happening)
                tell(self._out, happening, began, self.weather.plan)
                if happening.who == "asked":
                    await self._let_gates_be_answered(plangate, started.run)
                if happening.who == "ended":
                    return
            await asyncio.sleep(0.1)

    def _due(self, witness: Witness) -> list[Happening]:
        now, told = datetime.now(UTC), {id(each) for each in self._told}
        waiting = [each for each in witness.seen if id(each) not in told]
        return sorted((each for each in waiting if now - each.at >= SETTLED), key=lambda each: each.at)

    async def _let_gates_be_answered(self, plangate: Plangate, run: str) -> None:
        for gate in await plangate.pending(run):
            self._out.print()
            await self._asker(plangate)(gate)
