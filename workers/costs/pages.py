"""What the commands show to people, and the same as data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from activities.storage.costs import AlertRow, CostRow
from plangate.currencies import shown
from plangate.spending import SpendingLimit, money

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDTH = 30


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
    console = Console()
    if not rows:
        console.print("No model call was made in this time.")
        return
    by_cost = any(row.cost_usd for row in rows)
    sizes = [(row.cost_usd or 0.0) if by_cost else row.input_tokens + row.output_tokens for row in rows]
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(by.capitalize(), overflow="fold")
    for heading in ("Calls", "Tokens", "Cost", "Forecast"):
        table.add_column(heading, justify="right")
    table.add_column("Cost" if by_cost else "Tokens", no_wrap=True)
    for row, size in zip(rows, sizes, strict=True):
        cached = f" ({row.cached_calls} cached)" if row.cached_calls else ""
        table.add_row(
            escape(row.name if row.name is not None else "(none)"),
            f"{row.calls:,}{cached}",
            f"{row.input_tokens + row.output_tokens:,}",
            cost_words(row),
            _forecast(row),
            bar(size, max(sizes)),
        )
    console.print(table)
    total = _total(rows)
    console.print(f"In all: {total.calls:,} calls, {cost_words(total)}. {forecast_words(total)}")


def cost_words(row: CostRow) -> str:
    """A cost; one that isn't known is never shown as 0."""
    known = f"${row.cost_usd:,.4f}" if row.cost_usd is not None else ""
    if not row.unpriced_calls:
        return known or "$0.0000"
    unknown = f"{row.unpriced_calls} unknown"
    return f"{known} + {unknown}" if row.cost_usd else unknown


def forecast_words(row: CostRow) -> str:
    """How far the forecasts were off."""
    if not row.forecast_tokens or not row.compared_tokens:
        return "There were no forecasts to compare with."
    off = (row.forecast_tokens - row.compared_tokens) / row.compared_tokens
    return f"Forecast {row.forecast_tokens:,} tokens, used {row.compared_tokens:,}: {off:+.0%}."


def _forecast(row: CostRow) -> str:
    return f"${row.forecast_usd:,.4f}" if row.forecast_usd else f"{row.forecast_tokens:,} tok"


def bar(size: float, most: float) -> str:
    """A bar of blocks, in eighths of a character."""
    eighths = round(size / most * _WIDTH * 8) if most else 0
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _total(rows: Sequence[CostRow]) -> CostRow:
    known = [row.cost_usd for row in rows if row.cost_usd is not None]
    fields = ("calls", "unpriced_calls", "input_tokens", "output_tokens", "forecast_tokens", "compared_tokens")
    sums = {name: sum(getattr(row, name) for row in rows) for name in fields}
    return CostRow(name="all", cost_usd=sum(known) if known else None, **sums)


def show_budgets(lines: Sequence[BudgetLine]) -> None:
    """Budgets and what is left of them."""
    console = Console()
    if not lines:
        console.print("There are no budgets: set one with `plangate budget set`, or in a scope file.")
        return
    table = Table("Agent", "Of", "Counted", "At most", "Left", "When used up", "From", box=box.SIMPLE_HEAD)
    for line in lines:
        limit = line.limit
        whose = limit.user or limit.session
        left = "of each its own" if line.used_micros is None else _left(limit, line.used_micros)
        table.add_row(
            escape(limit.agent or "all"),
            escape(limit.of.replace(".", " ", 1)),
            f"per {limit.per.value}" + (f" ({escape(whose)})" if whose else ""),
            shown(money(limit.micros), limit.unit),
            left,
            limit.then.value + (f" ({escape(limit.who)})" if limit.who else ""),
            escape(line.source),
        )
    console.print(table)


def _left(limit: SpendingLimit, used: int) -> str:
    share = max(0.0, 1 - used / limit.micros) if limit.micros else 0.0
    return f"{shown(money(limit.micros - used), limit.unit)} ({share:.0%})"


def show_alerts(alerts: Sequence[AlertRow]) -> None:
    """Alerts, if there are any."""
    console = Console()
    if alerts:
        console.print("\nDearer than usual:")
    for each in alerts:
        console.print(f"  {each.at:%Y-%m-%d %H:%M}  {escape(each.message)}")
