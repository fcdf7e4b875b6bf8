"""What the commands about agents show to people, and the same as data."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from activities.catalogue import Catalogue, LoadedAgent
from plangate.agents import ScopeProblem
from plangate.errors import PlangateError
from plangate.scope_limits import LIMITS
from workers.agents.checking import Checked
from workers.agents.plan_files import CheckedPlan, PlannedStep

MAX_SHOWN = 100
"""Characters of a tool's description that are shown."""


def list_data(folder: Path, catalogue: Catalogue) -> dict[str, Any]:
    """For `agents list --json`."""
    good = [{**agent.summary().model_dump(mode="json"), "ok": True} for agent in catalogue.agents.values()]
    for entry in good:
        entry["tools"] = [tool["name"] for tool in entry["tools"]]
    broken = [
        {"name": name, "ok": False, "problems": [problem.model_dump(mode="json") for problem in problems]}
        for name, problems in catalogue.broken.items()
    ]
    return {"folder": str(folder), "agents": sorted([*good, *broken], key=lambda entry: str(entry["name"]))}


def show_list(folder: Path, catalogue: Catalogue) -> None:
    """The agents as a table."""
    console = _console()
    if not catalogue.agents and not catalogue.broken:
        console.print(f"There are no agents in {escape(_path(folder))}; `plangate agents new NAME` makes one.")
        return
    table = Table(
        "Agent",
        "What it is",
        "Tools",
        "Version",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="dim",
    )
    for name, agent in catalogue.agents.items():
        title = escape(agent.settings.title or agent.scope.title)
        about = f"{title}\n[dim]{escape(agent.settings.description)}[/dim]" if agent.settings.description else title
        table.add_row(f"[bold]{name}[/bold]", about, str(len(agent.tools)), agent.version)
    for name, problems in catalogue.broken.items():
        hint = f"[red]broken: {_count(len(problems))}[/red]; see `plangate agents validate {escape(name)}`"
        table.add_row(f"[bold red]{escape(name)}[/bold red]", hint, "", "")
    console.print(table)


def agent_data(agent: LoadedAgent) -> dict[str, Any]:
    """For `agents show --json`. Values of settings are left out: they may be secrets."""
    return {
        **agent.summary().model_dump(mode="json"),
        "folder": str(agent.folder),
        "models": agent.settings.models.model_dump(mode="json"),
        "settings": {name: agent.variable(name) for name in agent.settings.settings},
        "knowledge": [path.name for path in agent.knowledge],
    }


def show_agent(agent: LoadedAgent, environ: Mapping[str, str]) -> None:
    """One agent on a page."""
    console = _console()
    console.print(f"[bold]{escape(agent.settings.title or agent.scope.title)}[/bold]  {agent.name} {agent.version}")
    if agent.settings.description:
        console.print(escape(agent.settings.description))
    console.print(f"[dim]{escape(_path(agent.folder))}[/dim]")
    tools = Table("Tool", "Effect", "Once by", "Runs", "What it does", box=box.SIMPLE_HEAD)
    for name, tool in agent.tools.items():
        does = agent.scope.tools[name].does or tool.description.partition("\n")[0]
        rule = agent.scope.tools[name].rule.text
        effect, once = tool.settings.effect.value, tool.settings.idempotency.value
        tools.add_row(name, effect, once, escape(rule), escape(does[:MAX_SHOWN]))
    console.print(tools)
    limits = Table("Limit", "Value", box=box.SIMPLE_HEAD)
    for words, kind in LIMITS.items():
        value = getattr(agent.scope.limits, kind.field)
        limits.add_row(
            words, _duration(value) if kind.field in ("decision_seconds", "run_seconds") and value else f"{value:,}"
        )
    console.print(limits)
    if agent.settings.settings:
        settings = Table("Setting", "Variable that overrides it", "", box=box.SIMPLE_HEAD)
        for name in agent.settings.settings:
            variable = agent.variable(name)
            settings.add_row(name, variable, "set" if variable in environ else "")
        console.print(settings)
    for number, example in enumerate(agent.settings.examples):
        console.print(f"{'Try:' if not number else '    '} plangate run {agent.name} {escape(_quoted(example))}")


def show_checked(checked: Sequence[Checked], notes: Sequence[str] = ()) -> None:
    """Every mistake, one line each: `path:line: what is wrong`; then what agents say differently of one dependency."""
    console = _console()
    for each in checked:
        if each.agent is not None:
            tools = f"{len(each.agent.tools)} tools" if len(each.agent.tools) != 1 else "1 tool"
            console.print(f"[green]✓[/green] [bold]{escape(each.name)}[/bold]  {tools}, version {each.agent.version}")
            continue
        console.print(f"[red]✗[/red] [bold]{escape(each.name)}[/bold]  {_count(len(each.problems))}")
        for problem in each.problems:
            console.print(f"  {escape(_problem_line(each, problem))}", soft_wrap=True)
    for note in notes:
        console.print(f"[yellow]![/yellow] {escape(note)}", soft_wrap=True)


def show_new(agent: LoadedAgent, files: Sequence[str]) -> None:
    """What was made, and what to do next."""
    console = _console()
    console.print(f"[green]✓[/green] The agent [bold]{agent.name}[/bold] is in {escape(_path(agent.folder))}:")
    for file in files:
        console.print(f"    {escape(file)}")
    console.print("Next:")
    console.print("    change scope.md (what it may do) and tools.py (what it can do)")
    console.print(f"    plangate agents validate {agent.name}")
    console.print(f"    pytest {escape(_path(agent.folder))}", soft_wrap=True)
    console.print(f"    plangate run {agent.name} {escape(_quoted(agent.settings.examples[0]))}", soft_wrap=True)


def show_plan(checked: CheckedPlan, agent: LoadedAgent) -> None:
    """The mistakes of a plan, or its steps in the order in which they can start."""
    console = _console()
    file = escape(checked.file)
    if checked.problems:
        console.print(f"[red]✗[/red] [bold]{file}[/bold]  {_count(len(checked.problems))} for the agent {agent.name}")
        for line, problem in checked.problems:
            console.print(f"  {file}{f':{line}' if line else ''}: {escape(str(problem))}", soft_wrap=True)
        return
    console.print(f"[green]✓[/green] [bold]{file}[/bold] is a plan that {agent.name} may carry out")
    if checked.plan is not None and checked.plan.goal:
        console.print(f"Goal: {escape(checked.plan.goal)}")
    table = Table("", "Step", "Tool", "Waits for", "Runs", box=box.SIMPLE_HEAD)
    for wave, steps in groupby(checked.steps, key=lambda each: each.wave):
        for number, each in enumerate(steps):
            table.add_row("" if number else str(wave), *_step_cells(each))
    console.print(table)
    asked = [each.step.id for each in checked.steps if each.gate != "by itself"]
    console.print(f"A person decides about: {', '.join(asked)}" if asked else "Nobody has to be asked.")


def show_error(error: PlangateError) -> None:
    """An error, on standard error."""
    console = Console(stderr=True, highlight=False)
    console.print(f"[red]Error:[/red] {escape(error.message)}", soft_wrap=True)
    for detail in error.details:
        console.print(f"  {escape(detail)}", soft_wrap=True)


def _step_cells(each: PlannedStep) -> tuple[str, str, str, str]:
    notes = [f"when {each.step.when}"] if each.step.when else []
    notes += [f"for each of {each.step.for_each}"] if each.step.for_each else []
    notes += ["optional"] if each.step.optional else []
    if each.step.fallback is not None:
        notes.append(f"else {each.step.fallback.tool or 'a fixed value'}")
    title = f"\n[dim]{escape('; '.join(notes))}[/dim]" if notes else ""
    colour = {"by itself": "green", "asks first": "yellow", "never": "red"}.get(each.gate, "yellow")
    name = f"{escape(each.step.id)}{title}"
    return name, escape(each.step.tool), escape(", ".join(each.after)), f"[{colour}]{escape(each.gate)}[/{colour}]"


def _problem_line(checked: Checked, problem: ScopeProblem) -> str:
    place = _path(checked.folder / problem.file) if problem.file != checked.name else _path(checked.folder)
    return f"{place}{f':{problem.line}' if problem.line else ''}: {problem.problem}"


def _path(path: Path) -> str:
    """A path as people would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _count(mistakes: int) -> str:
    return "1 mistake" if mistakes == 1 else f"{mistakes} mistakes"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds % size == 0 and seconds >= 2 * size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} seconds"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`") + '"'


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False)
