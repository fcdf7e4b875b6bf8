"""A gate: what will be done with which arguments, why a person is asked, and the risk."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from client.render.text import clean, local_time, show_value
from plangate.approvals import ApprovalRequest
from plangate.provenance import Provenance
from plangate.summary import approve_command


def gate_box(gate: ApprovalRequest, *, command: bool = False) -> RenderableType:
    """The question in a box.

    Args:
        gate: The gate.
        command: Say how to answer it from another terminal.
    """
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("tool", Text(clean(gate.tool)))
    rows.add_row("with", _arguments(gate))
    if gate.provenance:
        rows.add_row("from", origins(gate))
    if gate.user:
        rows.add_row("for", Text(clean(gate.user)))
    if gate.reason:
        rows.add_row("why", Text(clean(gate.reason)))
    if gate.risk:
        rows.add_row("risk", Text(clean(gate.risk), style="red"))
    rows.add_row("until", Text(f"{local_time(gate.deadline)}, then it counts as rejected"))
    parts: list[RenderableType] = [Text(clean(gate.title or gate.tool), style="bold"), Text(""), rows]
    if command:
        parts += [Text(""), Text(clean(approve_command(gate)), style="cyan")]
    return Panel(
        Group(*parts),
        title="A draft: a person does it, and says what came of it" if gate.draft else "Approval needed",
        title_align="left",
        border_style="yellow",
        box=box.ROUNDED,
        padding=(0, 2),
    )


def _arguments(gate: ApprovalRequest) -> RenderableType:
    if not gate.args:
        return Text("no arguments", style="dim")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", style="bold")
    for name, value in gate.args.items():
        table.add_row(Text(clean(name)), Text(show_value(value)))
    return table


def origins(gate: ApprovalRequest) -> RenderableType:
    """Where arguments come from, first those that a person is asked for and those with text of others; of such text an
    excerpt between quotes, once, and not where it is the argument as it stands above.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    told = {" ".join(show_value(value).split()) for value in gate.args.values()}
    for each in sorted(gate.provenance, key=lambda one: (not one.rule, one.trusted)):
        style = "dim" if each.trusted and not each.rule else "yellow"
        table.add_row(Text(clean(each.argument), style=style), Text(clean(whose(each)), style=style))
        for text in each.excerpts:
            if text not in told:
                table.add_row("", Text(f"“{clean(text)}”", style="italic"))
        told.update(each.excerpts)
    return table


def whose(provenance: Provenance) -> str:
    """Where an argument comes from, in words; of text of others, that it is."""
    return provenance.brief if provenance.trusted else f"text of others: {provenance.brief}"
