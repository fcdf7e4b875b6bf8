"""What the commands show to people, and the same as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.cells import cell_len
from rich.padding import Padding
from rich.text import Text

from activities.storage.costs import AlertRow, CostRow
from plangate.currencies import shown
from plangate.spending import Beyond, SpendingLimit, money
from plangate.visible import visible
from workers.terminal import ascii_only, make_console, make_table, show

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDTH, _LEAST, _GAP = 40, 10, 2
"""Characters of the longest bar, of the shortest plot and name, and between columns."""


class BudgetLine(BaseModel):
    """A budget, and what is left of it now; of one that counts each run, session or user alike nothing can be said."""

    limit: SpendingLimit
    source: str
    """`scope.md of AGENT`, or who set it."""
    set_at: datetime | None = None
    used_micros: int | None = None

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        limit, used = self.limit, self.used_micros
        return {
            "agent": limit.agent or None, "user": limit.user or None, "session": limit.session or None,
            "of": limit.of, "per": limit.per.value, "amount": float(money(limit.micros)), "unit": limit.unit,
            "then": limit.then.value, "source": self.source, "set_at": self.set_at,
            "used": None if used is None else float(money(used)),
            "left": None if used is None else float(money(limit.micros - used)),
        }  # fmt: skip


def show_costs(rows: Sequence[CostRow], by: str) -> None:
    """The table with its plot: bars by cost, or by tokens where nothing costs anything."""
    if not rows:
        show("No model call was made in this time.")
        return
    by_cost = any(row.cost_usd for row in rows)
    sizes = [(row.cost_usd or 0.0) if by_cost else row.input_tokens + row.output_tokens for row in rows]
    headings = (by.capitalize(), "Calls", "Tokens", "Cost", "Forecast")
    room = make_console().width - _GAP * len(headings) - 1
    for error in (True, False):  # a narrow terminal has no room for it
        cells = [_cells(row, error=error) for row in rows]
        widths = [max(cell_len(line[place]) for line in (headings, *cells)) for place in range(len(headings))]
        numbers = sum(widths[1:])
        if numbers + 2 * _LEAST <= room:
            break
    widths[0] = min(widths[0], max(_LEAST, room - numbers - _LEAST))
    plot = max(_LEAST, min(_WIDTH, room - numbers - widths[0]))
    table = make_table(headings[0])
    table.columns[0].width = widths[0]
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for line, size in zip(cells, sizes, strict=True):
        table.add_row(*line, Text(bar(size, max(sizes), plot, plain=ascii_only()), style="cyan"))
    total = _total(rows)
    words = f"In all: {_calls(total)} calls, {cost_words(total)}. {forecast_words(total)}"
    show(table, "", Text(words))


def _cells(row: CostRow, *, error: bool) -> tuple[str, ...]:
    name = visible(row.name) if row.name is not None else "(none)"
    tokens = f"{row.input_tokens + row.output_tokens:,}"
    return name, _calls(row), tokens, cost_words(row), _forecast(row, error=error)


def _calls(row: CostRow) -> str:
    return f"{row.calls:,}" + (f" ({row.cached_calls} cached)" if row.cached_calls else "")


def cost_words(row: CostRow) -> str:
    """A cost; one that isn't known is never shown as 0."""
    known = f"${row.cost_usd:,.4f}" if row.cost_usd is not None else ""
    if not row.unpriced_calls:
        return known or "$0.0000"
    unknown = f"{row.unpriced_calls} unknown"
    return f"{known} + {unknown}" if row.cost_usd else unknown


def forecast_words(row: CostRow) -> str:
    """How far the forecasts were off."""
    off = row.forecast_error
    if off is None:
        return "There were no forecasts to compare with."
    return f"Forecast: {row.forecast_tokens:,} tokens, used: {row.compared_tokens:,} ({off:+.0%})."


def _forecast(row: CostRow, *, error: bool) -> str:
    """What was forecast, and by how much its tokens were more or fewer than those used."""
    off = row.forecast_error
    words = f"${row.forecast_usd:,.4f}" if row.forecast_usd else f"{row.forecast_tokens:,} tokens"
    return words if off is None or not error else f"{words} {off:+.0%}"


def bar(size: float, most: float, width: int = _WIDTH, *, plain: bool = False) -> str:
    """A bar of blocks, in eighths of a character, or of `#`; what isn't nothing always shows."""
    if not size or not most:
        return ""
    eighths = max(1, round(size / most * width * 8))
    full, rest = divmod(eighths, 8)
    return "#" * max(1, round(eighths / 8)) if plain else "█" * full + (_EIGHTHS[rest] if rest else "")


def _total(rows: Sequence[CostRow]) -> CostRow:
    known = [row.cost_usd for row in rows if row.cost_usd is not None]
    fields = ("calls", "unpriced_calls", "input_tokens", "output_tokens", "forecast_tokens", "compared_tokens")
    sums = {name: sum(getattr(row, name) for row in rows) for name in fields}
    return CostRow(name="all", cost_usd=sum(known) if known else None, **sums)


def show_budgets(lines: Sequence[BudgetLine]) -> None:
    """Budgets and what is left of them: those of each scope file, and those that people set."""
    if not lines:
        show("There are no budgets: set one with `plangate budget set`, or in a scope file.")
        return
    table = make_table("Budget", "At most", "Left", "Beyond it")
    table.columns[1].justify = table.columns[2].justify = "right"
    agent: str | None = None
    for line in sorted(lines, key=lambda line: line.limit.agent):
        if line.limit.agent != agent:
            agent = line.limit.agent
            table.add_row(Text(visible(agent) or "all agents", style="bold"))
        what, most, left, beyond = _budget(line)
        table.add_row(Padding(what, (0, 0, 0, 2)), most, left, beyond)
    show(table)


_BEYOND = {
    Beyond.ASK: "asks",
    Beyond.NEVER: "never done",
    Beyond.DECLINE: "declines",
    Beyond.HAND_OVER: "hands over",
}


def _budget(line: BudgetLine) -> tuple[Text, Text, Text, Text]:
    limit = line.limit
    what = Text(f"{visible(limit.of).replace('.', ' ', 1)} per {limit.per.value}")
    if whose := limit.user or limit.session:
        what.append(f"\n{visible(whose)}")
    if line.set_at is not None:
        what.append(f"\nset by {visible(line.source)}", style="dim")
    most = shown(money(limit.micros), limit.unit)
    left = "each its own" if line.used_micros is None else _left(limit, line.used_micros)
    return what, Text(most), Text(left), Text(f"{_BEYOND[limit.then]} {visible(limit.who)}".rstrip())


def _left(limit: SpendingLimit, used: int) -> str:
    """What is left; the share rounded down, so that 100% is said only of what is untouched."""
    share = math.floor(max(0.0, 1 - used / limit.micros) * 100) if limit.micros else 0
    return f"{shown(money(limit.micros - used), limit.unit).removesuffix(' tokens')} ({share}%)"


def show_alerts(alerts: Sequence[AlertRow]) -> None:
    """Alerts, if there are any."""
    if alerts:
        show("", "Dearer than usual:", *(f"  {each.at:%Y-%m-%d %H:%M}  {visible(each.message)}" for each in alerts))
