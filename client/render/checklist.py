"""A plan as a checklist."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from client.render.text import ascii_only, clean, in_words, short, sign, since
from plangate.run_status import RunStatus, StepReport
from plangate.runs import StepStatus

WHY = 160
"""Characters of a step's reason that are shown."""
EDGE = 3
"""Steps shown before and after the part that moves, when a plan is longer than the screen."""


class Checklist:
    """The steps of a run with their states and durations.

    Args:
        status: The run.
        moving: Draw spinners, for a display that is refreshed.
        rows: Lines that it may take; a longer plan is shown around the steps that move.
    """

    def __init__(self, status: RunStatus, *, moving: bool = False, rows: int = 0) -> None:
        self.status = status
        self.moving = moving
        self.rows = rows
        self._spinner = Spinner("dots", style="cyan")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        plain = ascii_only(console)
        table = Table.grid(padding=(0, 2, 0, 0), expand=False)
        table.add_column(width=1)
        table.add_column(ratio=None, overflow="fold", max_width=max(20, options.max_width - 34))
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=20)
        table.add_column(justify="right", no_wrap=True)
        for step in self._shown():
            if isinstance(step, str):
                table.add_row("", Text(step, style="dim"), "", "")
            else:
                self._add(table, step, plain)
        yield table

    def _shown(self) -> list[StepReport | str]:
        steps = self.status.steps
        if not self.rows or len(steps) <= self.rows:
            return list(steps)
        moving = [place for place, step in enumerate(steps) if not step.status.ended]
        middle = moving[0] if moving else len(steps)
        first = max(0, min(middle - EDGE, len(steps) - self.rows))
        last = min(len(steps), first + self.rows)
        before = [f"… {first} steps before"] if first else []
        after = [f"… {len(steps) - last} more steps"] if last < len(steps) else []
        return [*before, *steps[first:last], *after]

    def _add(self, table: Table, step: StepReport, plain: bool) -> None:
        running = step.status is StepStatus.RUNNING
        mark: RenderableType = sign(step.status.value, ascii_only=plain)
        if running and self.moving and not plain:
            mark = self._spinner
        style = "dim" if step.status in (StepStatus.PENDING, StepStatus.SKIPPED) else ""
        lines = [Text(clean(in_words(step)), style=style)]
        if step.reason or step.error:
            why = step.reason or (step.error.message if step.error else "")
            lines.append(Text(short(why, WHY), style="dim" if step.status is StepStatus.SKIPPED else "red"))
        table.add_row(mark, Group(*lines), Text(clean(step.tool), style="dim"), _state(step))


class Outline:
    """The steps without their states, for a log in which each line stays."""

    def __init__(self, status: RunStatus) -> None:
        self.status = status

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(justify="right", style="dim", no_wrap=True)
        table.add_column(overflow="fold", max_width=max(20, options.max_width - 30))
        table.add_column(no_wrap=True, overflow="ellipsis", style="dim", max_width=24)
        for number, step in enumerate(self.status.steps, 1):
            table.add_row(f"{number}.", Text(clean(in_words(step))), Text(clean(step.tool)))
        yield table


def _state(step: StepReport) -> Text:
    if step.status is StepStatus.WAITING:
        return Text("needs you", style="yellow")
    if step.status is StepStatus.PENDING:
        return Text("")
    words = []
    if step.calls > 1:
        words.append(f"{step.done_calls}/{step.calls}")
    if step.status not in (StepStatus.DONE, StepStatus.RUNNING):
        words.append(step.status.value)
    elif step.started_at:
        words.append(since(step.started_at, step.ended_at))
    return Text(" · ".join(words), style="dim")


def plan_title(status: RunStatus) -> Text:
    """The line above a checklist."""
    title = Text("Plan", style="bold")
    if status.revision:
        title.append(f" (revised {status.revision}×)" if status.revision > 1 else " (revised)", style="dim")
    if status.goal:
        title.append("  ")
        title.append(clean(status.goal), style="not bold")
    return title
