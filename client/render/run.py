"""A run as a whole: what was asked, the plan, what waits, the answer."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from client.render.checklist import Checklist, plan_title
from client.render.gates import gate_box
from client.render.outcome import print_result
from client.render.text import clean, short, since
from client.watching import View
from plangate.run_status import RunResult, RunStatus
from plangate.runs import Phase

ANSWER_LINES = 8
"""Last lines of a streaming answer that are shown."""


def print_run(console: Console, status: RunStatus, result: RunResult | None, *, url: str = "") -> None:
    """Print a run that may be over or not."""
    print_request(console, status.run, status.agent, status.request, status.user)
    if status.steps:
        console.print(plan_title(status))
        console.print(Padding(Checklist(status), (0, 0, 1, 2), expand=False))
    for gate in status.pending:
        console.print(gate_box(gate, command=True))
    if result is not None:
        print_result(console, result, url=url, below_plan=bool(status.steps))
        return
    console.print(Text(f"{status.phase.value} · {since(status.started_at)} so far", style="bold"))
    if status.waits:
        console.print(Text(short(status.waits, 160), style="dim"))
    if url:
        console.print(Text(url, style="cyan"), soft_wrap=True)


def print_request(console: Console, run: str, agent: str, request: str, user: str | None) -> None:
    """Print who asked what of whom."""
    head = Text(clean(agent), style="bold")
    head.append(f"  {clean(run)}" + (f" · for {clean(user)}" if user else ""), style="not bold dim")
    console.print(head)
    console.print(Padding(Text(f"“{clean(request.strip())}”", style="italic"), (0, 0, 1, 2), expand=False))


def live_view(view: View, *, height: int) -> RenderableType:
    """What moves while a run is watched.

    Args:
        view: The run now.
        height: Lines of the terminal.
    """
    status = view.status
    parts: list[RenderableType] = []
    if status is not None and status.steps:
        parts += [plan_title(status), Padding(Checklist(status, moving=True, rows=max(5, height - 14)), (0, 0, 0, 2))]
    if view.text and status is not None and status.phase is Phase.ANSWERING:
        lines = clean(view.text).splitlines()[-ANSWER_LINES:]
        parts += [Text(""), Text("Answer", style="bold"), Padding(Text("\n".join(lines)), (0, 0, 0, 2))]
    parts += [Text(""), _foot(view)]
    return Group(*parts)


def _foot(view: View) -> Text:
    if view.trouble:
        return Text(f"! {view.trouble}", style="yellow")
    if view.status is None:
        return Text("starting…", style="dim")
    words = {Phase.ADMITTING: "checking the request", Phase.PLANNING: "planning"}
    phase = words.get(view.status.phase, view.status.phase.value)
    waits = f" · {short(view.status.waits, 120)}" if view.status.waits else ""
    return Text(f"{short(phase)} · {since(view.status.started_at)}{waits}", style="dim")
