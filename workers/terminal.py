"""How host-side commands write for people: tables that fold, no spaces at the ends of lines, ASCII where need be."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from plangate.visible import visible

_ASCII_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def make_console() -> Console:
    """The console for people, on standard output; what its encoding can't show is written as an escape."""
    if not _unicode():
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def show(*parts: RenderableType) -> None:
    """Print these, each below the other."""
    console = make_console()
    if console.is_terminal:
        console.print(*parts, sep="\n")
        return
    with console.capture() as captured:
        console.print(*parts, sep="\n")
    for line in captured.get().splitlines():
        print(line.rstrip())


def make_table(*headings: str) -> Table:
    """An empty table; its cells fold at words, and longer words in the middle, so that nothing is cut off."""
    table = Table(
        box=_ASCII_HEAD if ascii_only() else box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="dim"
    )
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def indented(text: RenderableType, by: int = 2) -> Padding:
    """A text whose lines all begin further right."""
    return Padding(text, (0, 0, 0, by), expand=False)


def item(mark: str, text: RenderableType) -> Table:
    """An item of a list; its further lines begin below its first word."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(mark, text)
    return grid


def markdown(text: str) -> list[RenderableType]:
    """The lines of a run's summary (Markdown): its lists as lists, without the empty lines that only Markdown needs."""
    parts: list[RenderableType] = []
    for line in visible(text).splitlines():
        plain = Text(line.removeprefix("- "))
        if line.strip():
            parts.append(item("-", plain) if line.startswith("- ") else plain)
    return parts


def ascii_only() -> bool:
    """Whether standard output can't show more than ASCII."""
    return not _unicode()


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")
