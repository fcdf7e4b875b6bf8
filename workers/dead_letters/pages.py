"""What the commands show to people, and the same as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from sqlalchemy import Row

from plangate.dead_letters import DeadLetter
from plangate.errors import ErrorPayload
from plangate.redaction import redacted
from plangate.runs import StepStatus
from plangate.summary import in_plain_words, reports
from plangate.wording import short_duration
from workers.dead_letters.outlook import Outlook, in_words


def line(letter: DeadLetter) -> dict[str, Any]:
    """A letter in a list."""
    return {
        **letter.model_dump(mode="json", include={"run", "agent", "user", "request", "state", "cause", "failed_at"}),
        "type": letter.error.type.value,
        "reason": letter.error.message,
        "step": letter.error.step,
    }


def show_list(letters: Sequence[DeadLetter], now: datetime) -> None:
    """The letters: for each who asked for what, and what went wrong."""
    console = _console()
    if not letters:
        console.print("There are no dead letters.")
        return
    for letter in letters:
        ago = short_duration((now - letter.failed_at).total_seconds())
        user = f" · for {letter.user}" if letter.user else ""
        head = f"{letter.state.value} · {letter.cause.value} {letter.failed_at:%Y-%m-%d %H:%M:%S} UTC, {ago} ago{user}"
        console.print(f"[bold]{escape(letter.run)}[/bold]  {escape(head)}")
        if letter.request:
            console.print(escape(f"  “{_one_line(letter.request)}”"))
        step = f"{letter.error.step}: " if letter.error.step else ""
        wrong = _one_line(letter.error.message, 200)
        console.print(f"  {escape(step)}[red]{letter.error.type.value}[/red]: {escape(wrong)}\n")
    console.print("See one with `plangate dead-letters show RUN`.")


def letter_data(letter: DeadLetter, outlook: Outlook, effects: Mapping[str, Row[Any]]) -> dict[str, Any]:
    """For `show --json`."""
    state = letter.run_state
    data = letter.model_dump(mode="json", exclude={"run_state"})
    data["error"]["input"] = redacted(data["error"]["input"])
    return {
        **data,
        "steps": [report.model_dump(mode="json") for report in reports(state)] if state else [],
        "approvals": [gate.model_dump(mode="json") for gate in state.gates.values()] if state else [],
        "effects": [_effect(row) for row in effects.values()],
        "compensations": [each.model_dump(mode="json") for each in state.compensations] if state else [],
        "unresolved": [call.call for call in outlook.unresolved],
        "resuming": in_words(letter, outlook),
    }


def _effect(row: Row[Any]) -> dict[str, Any]:
    names = ("call", "tool", "state", "mode", "attempts", "approval_id", "key", "intended_at", "finished_at")
    return {name: getattr(row, name) for name in names}


def show_letter(letter: DeadLetter, outlook: Outlook, effects: Mapping[str, Row[Any]]) -> None:
    """One letter, for people."""
    console = _console()
    console.print(f"[bold]{escape(letter.run)}[/bold]  {letter.state.value} · {letter.cause.value}")
    if letter.run_state is not None:
        console.print(escape(in_plain_words(letter.run_state, ended_at=letter.failed_at)))
    else:
        console.print(escape(f"Asked: {_one_line(letter.request)}"))
    console.print("\n[bold]What failed[/bold]")
    _show_error(console, letter.error, letter)
    if effects:
        console.print("\n[bold]Effects in the ledger[/bold]")
    for row in effects.values():
        console.print(f"- {escape(row.call)} ({escape(row.tool)}): [bold]{row.state}[/bold], attempts: {row.attempts}")
    if letter.history:
        console.print("\n[bold]What was done about it[/bold]")
    for deed in letter.history:
        why = f": {deed.reason}" if deed.reason else ""
        by = f" by {deed.by}" if deed.by else ""
        console.print(escape(f"- {deed.at:%Y-%m-%d %H:%M:%S} {deed.action}{by} {deed.detail}{why}"))
    console.print("\n[bold]Resuming it[/bold]")
    for words in in_words(letter, outlook):
        console.print(f"- {escape(words)}")


def _show_error(console: Console, error: ErrorPayload, letter: DeadLetter) -> None:
    lines = [f"{error.type.value}: {error.message}"]
    if error.step or error.attempted:
        lines.append(f"step {error.step or '?'}, {error.attempted or '?'}, attempts: {error.attempts}")
    if (given := _input(error, letter)) is not None:
        lines.append(f"input: {redacted(given)}")
    lines += error.details[:20]
    if letter.trace_id:
        lines.append(f"trace: {letter.trace_id}")
    steps = reports(letter.run_state) if letter.run_state else []
    others = [each for each in steps if each.status is StepStatus.FAILED and each.id != error.step]
    lines += [f"also failed: {each.id}: {each.reason}" for each in others]
    for text in lines:
        console.print(f"- {escape(text)}")


def _input(error: ErrorPayload, letter: DeadLetter) -> Any:
    """What the step that failed was called with: as the error has it, else as a person saw it, else as planned."""
    state = letter.run_state
    if error.input is not None or state is None or state.plan is None:
        return error.input
    failed = state.steps.get(error.step or "")
    for call in failed.calls if failed else []:
        if call.error is not None and call.gate in state.gates:
            return state.gates[call.gate].args
    return next((step.args for step in state.plan.steps if step.id == error.step), None)


def _one_line(text: str, limit: int = 100) -> str:
    words = " ".join(text.split())
    return words if len(words) <= limit else f"{words[:limit]}…"


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
