"""What `plangate up` says: to people in a few lines, to programs as one line of JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Container
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.connection import DATA_DEFAULT


class Report:
    """Speaks to a person, or with `as_json` to a program."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(highlight=False, soft_wrap=True, stderr=True)

    def event(self, text: str) -> None:
        """Something that happened while the system runs."""
        self._err.print(f"[dim]{datetime.now().astimezone():%H:%M:%S}[/dim]  {escape(text)}")

    def starting(self, folder: Path) -> None:
        """The start."""
        if not self._json:
            self._out.print(f"[dim]Starting Plangate in {escape(_short(folder))} …[/dim]")

    def ready(self, system: dict[str, Any], folder: Path, agents: Path) -> None:
        """Everything runs."""
        if self._json:
            self._line({"ready": True, **system, "data": str(folder)})
            return
        table = Table.grid(padding=(0, 3))
        for name, value in _facts(system, folder):
            table.add_row(f"  [bold]{name}[/bold]", value)
        self._out.print("\n[bold green]✓ Plangate is up[/bold green]\n")
        self._out.print(table)
        for line in _broken(system.get("broken", {}), agents):
            self._out.print(line)
        self._out.print("\n  [bold]Try[/bold]")
        for command in _commands(folder, agents, system.get("broken", {})):
            self._out.print(f"    [cyan]{escape(command)}[/cyan]")
        self._out.print("\n  [dim]Ctrl-C stops it. Runs are kept and go on at the next `plangate up`.[/dim]\n")

    def stopping(self) -> None:
        """The end begins."""
        if not self._json:
            self._out.print("\n[dim]Stopping: the worker first, Temporal last. Ctrl-C again to stop at once.[/dim]")

    def stopped(self) -> None:
        """The end."""
        if not self._json:
            self._out.print("[dim]Stopped.[/dim]")

    def failed(self, message: str, type: str) -> None:
        """It could not be started."""
        if self._json:
            self._line({"ready": False, "error": {"type": type, "message": message}})
        else:
            self._err.print(f"[bold red]✗ Plangate can't start[/bold red]: {escape(message)}")

    def _line(self, content: dict[str, Any]) -> None:
        print(json.dumps(content), flush=True)


def _facts(system: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    ui = system["ui"]
    facts = [("Temporal UI", f"[link={ui}]{escape(ui)}[/link]" if ui else "(not known)")]
    facts.append(("Temporal", escape(f"{system['address']}, namespace {system['namespace']}")))
    model = escape(system["model"]["base_url"] or "api.openai.com")
    if system["model"]["offline"]:
        model = "[yellow]the offline model[/yellow], which follows rules. Set OPENAI_API_KEY to use a real one."
    facts.append(("Model", model))
    facts.append(("Data folder", escape(_short(folder))))
    if system.get("faults"):
        facts.append(("Faults", f"[bold red]injected on purpose[/bold red], by {escape(system['faults'])}"))
    return facts


def _broken(broken: dict[str, int], agents: Path) -> list[str]:
    """What to do about agents that aren't served."""
    if not broken:
        return []
    words = [f"{name} ({count} mistake{'s' * (count != 1)})" for name, count in sorted(broken.items())]
    lines = [f"\n  [bold yellow]! Not served[/bold yellow]: {escape(', '.join(words))}"]
    where = "" if agents == Path("agents").absolute() else f" --agents {shlex.quote(_short(agents))}"
    return [
        *lines,
        *(f"    [cyan]{escape(f'plangate agents validate {name}{where}')}[/cyan]" for name in sorted(broken)),
    ]


def _commands(folder: Path, agents: Path, broken: Container[str]) -> list[str]:
    name, example = _example(agents, broken)
    commands = [f"plangate run {name} {shlex.quote(example)}", "plangate inbox"]
    if folder != Path(DATA_DEFAULT).absolute():
        commands.insert(0, f"export PLANGATE_DATA={shlex.quote(str(folder))}")
    return commands


def _example(agents: Path, broken: Container[str]) -> tuple[str, str]:
    """An agent that is served, and a request that people can try."""
    served = [path for path in agents.glob("*/agent.yaml") if path.parent.name not in broken]
    files = sorted(served, key=lambda path: (path.parent.name != "support", path.parent.name))
    for path in files:
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
            return path.parent.name, str(settings["examples"][0])
        except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
            continue
    return "AGENT", "What can you do?"


def _short(folder: Path) -> str:
    try:
        return f"./{folder.relative_to(Path.cwd())}"
    except ValueError:
        return str(folder)
