"""Words, numbers and signs for terminals, and keeping what others wrote from steering the terminal."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from plangate.run_status import StepReport
from plangate.runs import Usage
from plangate.visible import visible
from plangate.wording import short_duration

MAX_VALUE = 1500
"""Characters of one argument that are shown; the rest is counted, never dropped in silence."""

_SIGNS = {
    "done": ("✔", "x", "green"),
    "running": ("▸", ">", "cyan"),
    "pending": ("○", ".", "dim"),
    "waiting for approval": ("◆", "?", "yellow"),
    "skipped": ("–", "-", "dim"),
    "failed": ("✘", "!", "red"),
    "rejected": ("✘", "!", "red"),
    "cancelled": ("■", "#", "red"),
}


class _Trimmed(io.TextIOBase):
    """A stream without the spaces at the ends of lines that fill a terminal's width."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def write(self, text: str) -> int:
        self._stream.write(re.sub(r"[ \t]+(?=\n)", "", text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


def make_console(stream: TextIO | None = None, *, width: int | None = None) -> Console:
    """The console for people; plain text when it isn't a terminal or `NO_COLOR` is set."""
    stream = stream or sys.stdout
    if stream.isatty():
        return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)
    width = width or int(os.environ.get("COLUMNS", "0") or 0) or 80
    return Console(file=cast(TextIO, _Trimmed(stream)), highlight=False, markup=False, emoji=False, width=width)


def in_words(step: StepReport) -> str:
    """A step's call in words, which follow its arguments; its title while there are none, or when they say no more than
    the tool's name.
    """
    told = step.summary if step.summary != step.tool.replace("_", " ") else ""
    return told or step.title or step.tool


def sign(status: str, *, ascii_only: bool = False) -> Text:
    """The one-character sign of a step's status."""
    pretty, plain, style = _SIGNS.get(status, ("·", "*", ""))
    return Text(plain if ascii_only else pretty, style=style)


def ascii_only(console: Console) -> bool:
    """Whether the terminal can't show more than ASCII."""
    return not console.encoding.lower().startswith("utf")


def clean(text: object) -> str:
    """A text from a model, a tool or a user, made safe to print: escape sequences and invisible characters show.

    A gate shows what somebody is about to approve; a control or bidirectional character in an argument could make it
    show something else.
    """
    return visible(text)


def show_value(value: Any) -> str:
    """An argument's value for people: a text as it is, everything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = clean(text)
    if len(text) > MAX_VALUE:
        return f"{text[:MAX_VALUE]}… ({len(text) - MAX_VALUE:,} characters more: see --json)"
    return text


def short(text: object, limit: int = 60) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def since(start: datetime | None, end: datetime | None = None) -> str:
    """How long something took, or takes so far; empty if it hasn't begun."""
    if start is None:
        return ""
    return short_duration(((end or datetime.now(UTC)) - start).total_seconds())


def local_time(at: datetime | None) -> str:
    """`14:05` today, `Mon 14:05` within a week, else the date."""
    if at is None:
        return ""
    here, now = at.astimezone(), datetime.now(UTC).astimezone()
    if here.date() == now.date():
        return here.strftime("%H:%M")
    return here.strftime("%a %H:%M" if abs((here - now).days) < 6 else "%Y-%m-%d %H:%M")


def money(usage: Usage) -> str:
    """What model calls cost, in US dollars; what isn't known is said to be unknown, never to be nothing."""
    if usage.calls and usage.unpriced_calls == usage.calls:
        return "cost unknown"
    if not usage.cost_usd and not usage.unpriced_calls:
        return "no cost"
    digits = 2 if usage.cost_usd >= 1 else 4
    text = f"${usage.cost_usd:.{digits}f}"
    return f"{text} + {usage.unpriced_calls} calls of unknown cost" if usage.unpriced_calls else text


def tokens(usage: Usage) -> str:
    """`3 model calls · 1,204 tokens in, 310 out · $0.0021`."""
    calls = f"{usage.calls} model call{'' if usage.calls == 1 else 's'}"
    return f"{calls} · {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out · {money(usage)}"
