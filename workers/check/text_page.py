"""What `plangate check TEXT` shows to people."""

from __future__ import annotations

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from plangate.policy import Action, Verdict
from plangate.visible import excerpt, visible
from workers.check.texts import TextCheck
from workers.terminal import show

_SAYS = {Action.ALLOW: ("ok", "green"), Action.CHANGE: ("changes", "yellow"), Action.BLOCK: ("REFUSES", "bold red")}


def show_text(found: TextCheck) -> None:
    """The check on a page: what becomes of the request, what each guardrail says, what the person reads."""
    if found.refused:
        head, rest = Text("Refused", style="bold red"), ": a run would end here. No model is asked, nothing is done."
    else:
        head, rest = Text("Accepted", style="bold green"), ": the request goes to the planner."
    head.append(rest, style="not bold default")
    parts: list[RenderableType] = [head, "", Padding(_guardrails(found), (0, 0, 0, 2), expand=False), ""]
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    if not any(verdict.guard == "input.injection" for _, _, _, said in found.says for verdict in said):
        rows.add_row("Suspicion", Text(visible(found.suspicion)))
    if found.changed:
        rows.add_row("Read as", Text(excerpt(found.text, 2000)))
    if found.forecast is not None:
        cost = "unknown" if found.forecast.cost_usd is None else f"${found.forecast.cost_usd:.4f}"
        tokens = f"{found.forecast.input_tokens:,} tokens in, {found.forecast.output_tokens:,} out"
        rows.add_row("Forecast", f"{found.forecast.calls} model calls, {tokens}, cost {cost}")
    if rows.row_count:
        parts.append(rows)
    if found.answer:
        parts += ["The person reads:" if not rows.row_count else "\nThe person reads:", ""]
        parts.append(Padding(Text(visible(found.answer)), (0, 0, 0, 2), expand=False))
    show(*parts)


def _guardrails(found: TextCheck) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, about, on, said in found.says:
        if not on:
            table.add_row(Text("off", style="dim"), name, Text("Switched off in the scope file.", style="dim"))
        elif not said:
            table.add_row(Text("ok", style="green"), name, Text(about, style="dim"))
        for verdict in said if on else ():
            word, style = _SAYS.get(verdict.action, (verdict.action.value, "yellow"))
            table.add_row(Text(word, style=style), name, _verdict(verdict, found.answer))
    return table


def _verdict(verdict: Verdict, answer: str) -> Text:
    """Its rule, and why: a reason that the person reads anyway isn't said twice."""
    lines = [f"rule {visible(verdict.rule)}"] if verdict.rule else []
    lines += [visible(verdict.reason)] if verdict.reason and verdict.reason not in answer else []
    lines += [visible(verdict.detail)] if verdict.detail else []
    return Text("\n".join(lines))
