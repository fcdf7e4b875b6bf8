"""Lists of runs and of what waits."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from client.listing import RunLine
from client.render.gates import whose
from client.render.text import clean, local_time, short, show_value, since
from plangate.approvals import ApprovalRequest
from plangate.runs import Event
from plangate.summary import approve_command

_STATUS_STYLES = {
    "completed": "green",
    "degraded": "yellow",
    "waiting for approval": "yellow",
    "paused": "yellow",
    "failed": "red",
    "terminated": "red",
    "timed_out": "red",
    "cancelled": "red",
}


def print_runs(console: Console, lines: list[RunLine]) -> None:
    """The table of `plangate runs`."""
    if not lines:
        console.print("No runs.", style="dim")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    run_width = min(max(len(line.run) for line in lines), 36)
    status_width = min(max(len(_status(line)) for line in lines), 24)
    rows = [
        (local_time(line.started_at), since(line.started_at, line.ended_at), _cost(line.cost_usd)) for line in lines
    ]
    started, took, cost = (
        max(len(head), *(len(row[column]) for row in rows)) for column, head in enumerate(("started", "took", "cost"))
    )
    rest = run_width + status_width + started + took + cost + 12  # 12 between columns
    user_width = max(8, min(console.width - rest, max(len(line.user) for line in lines)))
    table.add_column("run", overflow="fold", width=run_width)
    table.add_column("status", overflow="fold", width=status_width)
    table.add_column("user", overflow="ellipsis", no_wrap=True, width=user_width)
    table.add_column("started", no_wrap=True, width=started)
    table.add_column("took", justify="right", no_wrap=True, width=took)
    table.add_column("cost", justify="right", no_wrap=True, width=cost)
    for line, row in zip(lines, rows, strict=True):
        table.add_row(
            Text(clean(line.run)),
            Text(clean(_status(line)), style=_STATUS_STYLES.get(line.status, "")),
            Text(clean(line.user), style="dim"),
            *map(Text, row),
        )
    console.print(table)


def _cost(usd: float | None) -> str:
    """Zero is no figure here: it is also what runs of models without a known price have."""
    return "" if usd is None else f"${usd:.4f}" if usd else "–"


def _status(line: RunLine) -> str:
    word = line.status.removesuffix(" for approval")
    return f"{word} ({line.pending})" if line.pending > 1 else word


def print_inbox(console: Console, gates: list[ApprovalRequest]) -> None:
    """What waits, oldest first, each with the command that answers it."""
    if not gates:
        console.print("Nothing waits for you.", style="dim")
        return
    for gate in gates:
        head = Text("◆ " if console.encoding.lower().startswith("utf") else "? ", style="yellow")
        head.append(clean(gate.title or gate.tool), style="bold")
        console.print(head)
        args = ", ".join(f"{name}={short(show_value(value), 60)}" for name, value in gate.args.items())
        console.print(_indented(Text(f"{clean(gate.tool)}({args})")))
        asked = f"{clean(gate.agent)}" + (f" for {clean(gate.user)}" if gate.user else "")
        asked += f" · asked {since(gate.opened_at)} ago · until {local_time(gate.deadline)}"
        console.print(_indented(Text(asked, style="dim")))
        if gate.reason:
            console.print(_indented(Text(f"why: {short(gate.reason, 200)}")))
        for each in gate.provenance:
            if not each.trusted:
                console.print(_indented(Text(f"{clean(each.argument)}: {short(whose(each), 200)}", style="yellow")))
        if gate.risk:
            console.print(_indented(Text(f"risk: {short(gate.risk, 200)}", style="red")))
        console.print(Text(f"  {clean(approve_command(gate))}", style="cyan"), soft_wrap=True)
        console.print()
    console.print("Also: reject, edit, respond. See `plangate show RUN` for the whole plan.", style="dim")


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 2), expand=False)


def print_timeline(console: Console, events: list[Event]) -> None:
    """What happened, line by line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for event in events:
        table.add_row(event.at.astimezone().strftime("%H:%M:%S"), Text(clean(event.kind)), Text(short(event.text, 300)))
    console.print(table)
