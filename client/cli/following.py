"""Watching a run in the terminal until it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from client.render.checklist import Checklist, Outline, plan_title
from client.render.gates import gate_box
from client.render.run import live_view
from client.render.text import ascii_only, clean, in_words, short, sign, since
from client.watching import View
from plangate.approvals import ApprovalRequest
from plangate.run_status import RunResult, RunStatus, StepReport
from plangate.runs import StepStatus
from plangate.summary import approve_command

if TYPE_CHECKING:
    from client.runs import Plangate

Ask = Callable[[ApprovalRequest], Awaitable[bool]]
"""Asks somebody about a gate; False leaves it waiting."""


class Follower:
    """Draws a run while it goes on: a moving checklist in a terminal, lines in a pipe.

    Args:
        plangate: Where the run is.
        run: Its id.
        console: Where to draw.
        ask: Called when a gate opens; without it gates are only shown.
        before_ask: Print the plan before the first gate.
    """

    def __init__(self, plangate: Plangate, run: str, console: Console, *, ask: Ask | None = None) -> None:
        self._plangate = plangate
        self._run = run
        self._console = console
        self._ask = ask
        self._asked: set[tuple[str, str]] = set()
        self._told: dict[str, StepStatus] = {}
        self._revision = -1
        self._trouble = ""

    async def follow(self) -> RunResult:
        """Draw until the run has ended; return its result."""
        if self._console.is_terminal:
            await self._moving()
        else:
            await self._lines()
        return await self._plangate.result(self._run)

    async def _moving(self) -> None:
        live = Live(console=self._console, transient=True, refresh_per_second=10)
        last: View | None = None
        live.start()
        try:
            async for view in self._plangate.watch(self._run):
                last = view
                live.update(live_view(view, height=self._console.height))
                for gate in self._new_gates(view):
                    live.stop()
                    self._print_plan(view.status)
                    await self._show(gate)
                    live = Live(console=self._console, transient=True, refresh_per_second=10)
                    live.start()
        finally:
            live.stop()
        if last is not None:
            self._print_plan(last.status)

    def _new_gates(self, view: View) -> list[ApprovalRequest]:
        waiting = view.status.pending if view.status and not view.trouble else []
        fresh = [gate for gate in waiting if (gate.id, gate.digest) not in self._asked]
        self._asked |= {(gate.id, gate.digest) for gate in fresh}
        return fresh

    async def _show(self, gate: ApprovalRequest) -> None:
        if self._ask is None:
            self._console.print(gate_box(gate, command=True))
        elif not await self._ask(gate):
            command = Text("  Left waiting. Later: ", style="dim").append(clean(approve_command(gate)), style="cyan")
            self._console.print(command)
            self._console.print()

    def _print_plan(self, status: RunStatus | None) -> None:
        if status is not None and status.steps:
            self._console.print(plan_title(status))
            self._console.print(Padding(Checklist(status), (0, 0, 1, 2), expand=False))

    async def _lines(self) -> None:
        async for view in self._plangate.watch(self._run):
            if view.trouble != self._trouble:
                self._trouble = view.trouble
                if view.trouble:
                    self._console.print(Text(f"! {view.trouble}"))
            if view.status is None:
                continue
            self._tell_steps(view.status)
            for gate in self._new_gates(view):
                await self._show(gate)

    def _tell_steps(self, status: RunStatus) -> None:
        if status.steps and status.revision != self._revision:
            self._revision = status.revision
            self._console.print(plan_title(status))
            self._console.print(Padding(Outline(status), (0, 0, 1, 2), expand=False))
        for step in status.steps:
            if self._told.get(step.id) is not step.status and step.status.ended:
                self._tell_step(step)
            self._told[step.id] = step.status

    def _tell_step(self, step: StepReport) -> None:
        line = Text(clean(in_words(step)))
        took = since(step.started_at, step.ended_at) if step.ended_at else ""
        note = short(step.reason, 160) if step.reason else took
        if step.status is not StepStatus.DONE:
            told = note.startswith(step.status.value)  # "rejected by ada" says it already
            note = note if told else f"{step.status.value}{f': {note}' if note else ''}"
        if note:
            line.append(f"  ({note})", style="dim")
        row = Table.grid(padding=(0, 1, 0, 0))  # what is long stays beside its sign
        row.add_row(" ", sign(step.status.value, ascii_only=ascii_only(self._console)), line)
        self._console.print(row)
