"""What `plangate check --plan` shows to people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from plangate import expressions
from plangate.forecasts import Forecast
from plangate.policy import Action
from plangate.provenance import Provenance
from plangate.visible import excerpt, visible
from workers import terminal
from workers.check.plans import PlanCheck, StepCheck

MAX_VALUE = 160
"""Characters of an argument that are shown."""
_SAYS = {
    Action.ALLOW: ("by itself", "green"),
    Action.CHANGE: ("by itself", "green"),
    Action.ASK: ("asks first", "yellow"),
    Action.DRAFT: ("drafts it", "yellow"),
    Action.BLOCK: ("refused", "red"),
}


def show(found: PlanCheck) -> None:
    """The check on a page."""
    plan = found.checked.plan
    if found.problems or plan is None:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for line, problem in found.problems:
            place = f"{found.checked.file}:{line}" if line else found.checked.file
            table.add_row(Text(f"  {visible(place)}"), Text(excerpt(problem, 600)))
        terminal.show(Text(f"The plan {visible(found.checked.file)} can't be carried out:", style="red"), table)
        return
    parts: list[RenderableType] = [
        Text(excerpt(plan.goal or "A plan without a goal"), style="bold"),
        Text(f"{found.agent.name} {found.agent.version} · nothing was run", style="dim"),
    ]
    waves = Counter(each.wave for each in found.steps if not each.fallback)
    wave = 0
    for each in found.steps:
        if each.wave != wave:
            wave, many = each.wave, waves[each.wave] > 1
            words = f"{'First' if wave == 1 else 'Then'}{', at the same time' if many else ''}:"
            parts += ["", Text(words, style="bold")]
        parts.append(_step(each))
    terminal.show(*parts, "", _sums(found))


def _step(each: StepCheck) -> RenderableType:
    says, style = _SAYS[each.verdict.action]
    if each.problems:
        says, style = "refused", "red"
    elif each.depends and each.verdict.action is Action.ALLOW:
        says, style = "depends on results", "cyan"
    name = f"{each.step.id}, if it fails" if each.fallback else each.step.id
    title = Text.assemble(f" {name}: {each.tool} ", (f"({each.effect.value}) ", "dim"), (f"- {says} ", style))
    rows: list[RenderableType] = []
    if words := excerpt(each.step.title):
        rows.append(Text(words, style="dim"))
    rows.append(_arguments(each))
    said = Table.grid(padding=(0, 2, 0, 0))  # lines that go on begin below the text, not below its label
    said.add_column(style="dim", no_wrap=True, min_width=5)
    said.add_column(overflow="fold")
    for label, text, tone in (
        ("why", each.verdict.reason if each.verdict.action is not Action.ALLOW else "", style),
        ("rule", each.verdict.rule if each.verdict.action is not Action.ALLOW else "", "dim"),
        ("rule", f"the scope says {each.depends!r}" if each.depends else "", "cyan"),
    ):
        if text:
            said.add_row(label, Text(excerpt(text, 900), style=tone))
    for words in each.waits:
        said.add_row("limit", Text(excerpt(words, 300), style="cyan"))
    rows += [said] if said.row_count else []
    rows += [Text(f"not right: {excerpt(problem)}", style="red") for problem in each.problems]
    return Panel(Group(*rows), title=title, title_align="left", border_style=style, box=box.ROUNDED, padding=(0, 1))


def _arguments(each: StepCheck) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold", ratio=3)
    table.add_column(overflow="fold", ratio=2)
    values: dict[str, Any] = {**each.args}
    for name, expression in (("when", each.step.when), ("for_each", each.step.for_each)):
        if expression:
            values[name] = {expressions.REF: expression}
    origins = {found.argument: found for found in each.provenance}
    for name, value in values.items():
        goes = each.verdict.action is Action.ALLOW
        table.add_row(Text(name), Text(_shown(value)), _origin(origins.get(name), goes=goes))
    return table


def _origin(found: Provenance | None, *, goes: bool) -> Text:
    """Where an argument comes from; of text of others in a call that goes by itself, that it is allowed there."""
    if found is None:
        return Text("")
    good, bad = ("", "! ") if terminal.ascii_only() else ("✓ ", "⚠ ")
    mark = good if found.trusted else f"{bad}text of others{', allowed here' if goes else ''}: "
    return Text(mark + excerpt(found.words, 400), style="green" if found.trusted else "yellow")


def _shown(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get(expressions.REF), str):
        return f"= {excerpt(value[expressions.REF], MAX_VALUE)}"
    return excerpt(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), MAX_VALUE)


def _sums(found: PlanCheck) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    scope = found.agent.scope
    table.add_row("asks", _names(found.asks, "nobody", "a person, about"))
    if found.blocked:
        table.add_row("refused", _names(found.blocked, "", ""))
    waits = [each for each in found.steps if each.depends and each.verdict.action is Action.ALLOW]
    if waits:
        table.add_row("open", _names(waits, "", "depends on results:"))
    calls, most = len([each for each in found.steps if not each.fallback]), scope.limits.tool_calls
    lists = any(each.step.for_each for each in found.steps)
    table.add_row("tool calls", f"{calls}{' and one for each item' if lists else ''}, of at most {most}")
    table.add_row("steps", f"{calls}, of at most {scope.limits.plan_steps}")
    table.add_row("models", _forecast(found.forecast))
    for each in found.budgets:
        table.add_row("budget", excerpt(each.words, 400))
    return table


def _names(steps: Sequence[StepCheck], nobody: str, before: str) -> str:
    names = dict.fromkeys(f"{each.step.id} ({each.tool})" for each in steps)
    return f"{before} {', '.join(names)}".strip() if names else nobody


def _forecast(forecast: Forecast) -> str:
    cost = "cost unknown" if forecast.cost_usd is None else f"${forecast.cost_usd:.4f}"
    plural = "s" * (forecast.calls != 1)
    tokens = f"{forecast.input_tokens:,} tokens in, {forecast.output_tokens:,} out"
    return f"{forecast.calls} call{plural} to write the answer · about {tokens} · {cost}"
