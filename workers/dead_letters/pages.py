"""What the commands show to people, and the same as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from sqlalchemy import Row

from plangate.dead_letters import DeadLetter, Deed
from plangate.errors import ErrorPayload
from plangate.redaction import redacted
from plangate.runs import StepStatus
from plangate.summary import in_plain_words, reports
from plangate.visible import excerpt, visible
from plangate.wording import short_duration
from workers.dead_letters.outlook import Outlook, in_words
from workers.terminal import indented, item, markdown, show


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
    if not letters:
        show("There are no dead letters.")
        return
    parts: list[RenderableType] = []
    for letter in letters:
        ago = short_duration((now - letter.failed_at).total_seconds())
        user = f" · for {visible(letter.user)}" if letter.user else ""
        head = Text(visible(letter.run), style="bold")
        head.append(f"  {letter.state.value} · {letter.cause.value}{user}", style="not bold")
        step = f"{visible(letter.error.step)}: " if letter.error.step else ""
        wrong = Text.assemble(step, (letter.error.type.value, "red"), f": {excerpt(letter.error.message, 200)}")
        parts += [head, indented(Text(f"{letter.failed_at:%Y-%m-%d %H:%M:%S} UTC, {ago} ago", style="dim"))]
        if letter.request:
            parts.append(indented(Text(f"“{excerpt(letter.request, 100)}”", style="italic")))
        parts += [indented(wrong), ""]
    show(*parts, "See one with `plangate dead-letters show RUN`.")


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
    head = Text(visible(letter.run), style="bold")
    head.append(f"  {letter.state.value} · {letter.cause.value}", style="not bold")
    parts: list[RenderableType] = [head, ""]
    if letter.run_state is not None:
        parts += markdown(in_plain_words(letter.run_state, ended_at=letter.failed_at))
    else:
        parts.append(Text(f"Asked: {excerpt(letter.request, 100)}"))
    parts += _section("What failed", _error_lines(letter.error, letter))
    parts += _section(
        "Effects in the ledger",
        [f"{row.call} ({row.tool}): {row.state}, attempts: {row.attempts}" for row in effects.values()],
    )
    parts += _section("What was done about it", [_deed(deed) for deed in letter.history])
    parts += _section("Resuming it", in_words(letter, outlook))
    show(*parts)


def _section(title: str, lines: Sequence[str]) -> list[RenderableType]:
    return ["", Text(title, style="bold"), *(item("-", Text(visible(line))) for line in lines)] if lines else []


def _deed(deed: Deed) -> str:
    why = f": {deed.reason}" if deed.reason else ""
    by = f" by {deed.by}" if deed.by else ""
    return f"{deed.at:%Y-%m-%d %H:%M:%S} {deed.action}{by} {deed.detail}".rstrip() + why


def _error_lines(error: ErrorPayload, letter: DeadLetter) -> list[str]:
    lines = [f"{error.type.value}: {error.message}"]
    if error.step or error.attempted:
        tried = f"attempts: {error.attempts}" if error.attempts else "it was not called"
        lines.append(f"step {error.step or '?'}, {error.attempted or '?'}, {tried}")
    if (given := _input(error, letter)) is not None:
        lines.append(f"input: {redacted(given)}")
    lines += error.details[:20]
    if error.next:
        lines.append(f"what came next: {error.next}")
    if letter.trace_id:
        lines.append(f"trace: {letter.trace_id}")
    steps = reports(letter.run_state) if letter.run_state else []
    others = [each for each in steps if each.status is StepStatus.FAILED and each.id != error.step]
    return lines + [f"also failed: {each.id}: {each.reason}" for each in others]


def _input(error: ErrorPayload, letter: DeadLetter) -> Any:
    """What the step that failed was called with. An error of an older version may lack it: as a person saw it, or as
    planned."""
    state = letter.run_state
    if error.input is not None or state is None or state.plan is None:
        return error.input
    failed = state.steps.get(error.step or "")
    for call in failed.calls if failed else []:
        if call.error is not None and call.gate in state.gates:
            return state.gates[call.gate].args
    return next((step.args for step in state.plan.steps if step.id == error.step), None)
