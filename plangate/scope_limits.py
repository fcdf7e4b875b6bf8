"""The limits that a scope file can set: how each is written, and reading its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from plangate.agents import Limits
from plangate.reaching import Reached
from plangate.scope_stops import NO_MODEL

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
NUMBER = re.compile(r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(?P<unit>.*)", re.DOTALL)


@dataclass(frozen=True)
class LimitKind:
    """How one limit is written.

    Attributes:
        field: The field of `plangate.agents.Limits` that it sets.
        units: Words that may follow the number, in the singular.
        example: A value as an owner would write it.
        bare: Whether the number may stand alone.
        then: What may happen when it is reached, the usual first; empty where there is no choice.
        usual: The value when the scope leaves it out, where that isn't the field's default.
    """

    field: str
    units: tuple[str, ...]
    example: str
    bare: bool = True
    then: tuple[Reached, ...] = ()
    usual: int | None = None


_STOPS = (Reached.HAND_OVER, Reached.FAIL)
LIMITS = {
    "Length of a request": LimitKind("request_characters", ("character",), "4,000 characters", bare=False),
    "Steps in a plan": LimitKind("plan_steps", ("step",), "25 steps"),
    "Tool calls in a run": LimitKind("tool_calls", ("call", "tool call"), "100 calls"),
    "Plan revisions": LimitKind("revisions", ("revision", "time"), "2 revisions", then=_STOPS),
    "Steps at the same time": LimitKind("parallel", ("step",), "8 steps"),
    "Items in a list step": LimitKind("items", ("item",), "200 items"),
    "Time to decide": LimitKind("decision_seconds", tuple(SECONDS), "24 hours", bare=False),
    "Time for a run": LimitKind(
        "run_seconds", tuple(SECONDS), "5 minutes", bare=False, then=(Reached.PARTIAL, Reached.HAND_OVER)
    ),
    "Failed steps in a row": LimitKind("failures_in_row", ("step",), "3 steps", then=_STOPS, usual=3),
    "Identical calls": LimitKind("identical_calls", ("call", "step", "time"), "3 calls", then=_STOPS, usual=3),
    "Revisions without progress": LimitKind("stale_revisions", ("revision",), "1 revision", then=_STOPS, usual=1),
}


def limits_of(values: Mapping[str, float | int], reached: Mapping[str, Reached]) -> Limits:
    """The limits of a scope.

    Args:
        values: What it says, by field.
        reached: What happens then, by field, for those that leave a choice.
    """
    usual = {kind.field: kind.usual for kind in LIMITS.values() if kind.usual is not None}
    free = {field: then for field, then in reached.items() if field == NO_MODEL}
    told = free | {kind.field: reached.get(kind.field, kind.then[0]) for kind in LIMITS.values() if kind.then}
    plain = Limits()
    return Limits(
        **{**usual, **values}, reached={field: then for field, then in told.items() if then is not plain.then(field)}
    )


def limit_value(name: str, text: str) -> float | int:
    """The value of a limit: a count, or seconds.

    Raises:
        ValueError: When it can't be read or is out of bounds; the message says what is allowed.
    """
    kind = LIMITS[name]
    match = NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{name!r} is {text!r}, which isn't a number; write for example {kind.example!r}")
    number, unit = float(match["number"].replace(",", "")), match["unit"].strip().casefold()
    singular = unit.removesuffix("s")
    if singular not in kind.units and not (kind.bare and not unit):
        units = " or ".join(f"{each}s" for each in kind.units)
        given = f", not in {match['unit'].strip()!r}" if unit else "; the unit is missing"
        raise ValueError(f"{name!r} is counted in {units}{given}; write for example {kind.example!r}")
    value = number * SECONDS.get(singular, 1)
    if singular not in SECONDS and not value.is_integer():
        raise ValueError(f"{name!r} is a whole number, not {match['number']}; write for example {kind.example!r}")
    _check_bounds(name, kind, value)
    return value if singular in SECONDS else int(value)


def _check_bounds(name: str, kind: LimitKind, value: float) -> None:
    for bound in Limits.model_fields[kind.field].metadata:
        least, over, most = (getattr(bound, each, None) for each in ("ge", "gt", "le"))
        if least is not None and value < least:
            raise ValueError(f"{name!r} must be at least {least:,}")
        if over is not None and value <= over:
            raise ValueError(f"{name!r} must be more than {over:,}")
        if most is not None and value > most:
            limit = f"{most // 86400:,} days" if kind.units == tuple(SECONDS) else f"{most:,}"
            raise ValueError(f"{name!r} must be at most {limit}")
