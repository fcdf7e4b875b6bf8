"""Reads a scope's tables of limits: of single actions, and of spending. See `plangate.scope`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from plangate.action_limits import ActionLimit, LimitOf, parse_limit
from plangate.spending import MODELS, SpendingLimit, money, parse_spending

Rows = Sequence[tuple[int, Mapping[str, str]]]
"""Lines and cells by column name in lower case."""


def read_action_limits(rows: Rows, problem: Callable[[int | None, str], None]) -> list[ActionLimit]:
    """The table "Limits of single actions".

    Args:
        rows: Its rows.
        problem: Notes a mistake: line, text.
    """
    found: list[ActionLimit] = []
    for line, row in rows:
        tool, argument = row.get("tool", ""), row.get("argument", "")
        if not tool or not argument:
            problem(line, "a limit names a tool and one of its arguments (or 'calls in a run')")
            continue
        try:
            limit = parse_limit(tool, argument, row.get("limit", ""), row.get("when exceeded", ""), line=line)
        except ValueError as error:
            problem(line, f"the limit of {tool} {argument}: {error}")
            continue
        for other in found:
            if (other.tool, other.argument, other.then) == (tool, argument, limit.then) and _same_kind(other, limit):
                problem(line, f"the limit of {tool} {argument} stands twice; first in line {other.line}")
        found.append(limit)
    return found


def _same_kind(one: ActionLimit, other: ActionLimit) -> bool:
    """Whether two limits say the same twice: not one what is least, the other what is most."""
    sides = ((one.least, other.least), (one.most, other.most))
    numbers = one.of not in (LimitOf.CHOICE, LimitOf.ADDRESS)
    return one.of is other.of and (not numbers or any(a is not None and b is not None for a, b in sides))


def read_spending(rows: Rows, problem: Callable[[int | None, str], None]) -> list[SpendingLimit]:
    """The table "Spending limits".

    Args:
        rows: Its rows.
        problem: Notes a mistake: line, text.
    """
    found: list[SpendingLimit] = []
    for line, row in rows:
        what = row.get("what", "")
        if not what:
            problem(line, "a line of the spending limits that doesn't say of what")
            continue
        try:
            limit = parse_spending(
                what, row.get("counted", ""), row.get("at most", ""), row.get("when exceeded", ""), line=line
            )
        except ValueError as error:
            problem(line, f"the spending limit of {what}: {error}")
            continue
        _compare(limit, found, problem)
        found.append(limit)
    return found


def _compare(limit: SpendingLimit, others: Sequence[SpendingLimit], problem: Callable[[int | None, str], None]) -> None:
    """Note contradictions with the lines above."""
    for other in others:
        if other.of != limit.of:
            continue
        if limit.of != MODELS and other.unit != limit.unit:
            what = f"{limit.tool} {limit.argument}"
            problem(limit.line, f"{what} is counted in {other.unit} in line {other.line}, so not in {limit.unit}")
        elif (other.per, other.unit) == (limit.per, limit.unit):
            problem(
                limit.line,
                f"{limit.words}: another limit for the same stands in line {other.line}: {money(other.micros):,}",
            )
