"""What the command shows to people, and the same as data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from activities.storage.lines import Standing
from plangate.breakers import Breaker, BreakerState
from plangate.paces import ModelPace
from plangate.pacing import Place
from plangate.visible import visible
from plangate.wording import short_duration
from workers import terminal

_WORDS = {BreakerState.CLOSED: "up", BreakerState.OPEN: "down", BreakerState.HALF_OPEN: "being probed"}
SHOWN = 10
"""Waiting calls of a dependency listed at most."""
Dependency = tuple[Breaker, Standing]


def together(breakers: Sequence[Breaker], standings: Sequence[Standing]) -> list[Dependency]:
    """Dependencies that were called or have limits, by name."""
    called = {each.name: each for each in breakers}
    limited = {each.dependency: each for each in standings}
    names = sorted(called.keys() | limited.keys())
    return [(called.get(name) or Breaker(name=name), limited.get(name) or _unlimited(name)) for name in names]


def _unlimited(name: str) -> Standing:
    return Standing(name, ModelPace())


def line(breaker: Breaker, standing: Standing | None = None) -> dict[str, Any]:
    """A dependency as data."""
    data = breaker.model_dump(mode="json", exclude={"probe", "window", "openings"})
    latency = breaker.latency_ms
    known = {
        **data,
        "latency_ms": None if latency is None else round(latency, 1),
        "recent_calls": len(breaker.window),
        "recent_failures": breaker.recent_failures,
    }
    if standing is None:
        return known
    waiting = standing.waiting
    return {
        **known,
        "limits": {name: value for name, value in standing.pace.model_dump().items() if name != "burst" or value > 1},
        "in_use": standing.held,
        "waiting": len(waiting),
        "waiting_runs": len({place.run for place in waiting}),
        "waiting_until": max((place.turn_at.isoformat() for place in waiting), default=None),
        "next": [_place(place) for place in waiting[:SHOWN]],
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "run": place.run,
        "call": place.call,
        "user": place.user,
        "since": place.since.isoformat(),
        "turn_at": place.turn_at.isoformat(),
    }


def show(found: Sequence[Dependency], now: datetime) -> None:
    """The dependencies as tables."""
    if not found:
        print("No dependency has been called yet, and none has limits.")
        return
    parts: list[RenderableType] = [_states(found, now)]
    if any(standing.pace.limits for _, standing in found):
        parts += ["", _lines(found)]
    waiting = [words for _, standing in found for words in _waiting(standing)]
    if waiting:
        parts += ["", *waiting]
    if any(breaker.state is not BreakerState.CLOSED for breaker, _ in found):
        parts += ["", "Let calls through again with `plangate dependencies --reset NAME`."]
    terminal.show(*parts)


def _states(found: Sequence[Dependency], now: datetime) -> Table:
    table = terminal.make_table("Dependency", "State", "Failed", "Latency", "Calls")
    for column in table.columns[2:]:
        column.justify, column.no_wrap = "right", True
    for each, _ in found:
        state = Text(_state(each, now), style="red" if each.state is BreakerState.OPEN else "")
        if each.last_error:
            state.append(f"\nlast error: {visible(each.last_error)}", style="dim")
        table.add_row(
            Text(visible(each.name)),
            state,
            f"{each.recent_failures} of {len(each.window)}",
            "" if each.latency_ms is None else f"{each.latency_ms:,.0f} ms",
            f"{each.calls:,}",
        )
    return table


def _state(breaker: Breaker, now: datetime) -> str:
    if breaker.state is BreakerState.CLOSED and breaker.paused_until and breaker.paused_until > now:
        return f"asks for patience until {breaker.paused_until.strftime('%H:%M:%S')}"
    word = _WORDS[breaker.state]
    if breaker.opened_at is not None:
        word += f" for {short_duration((now - breaker.opened_at).total_seconds())}"
    if breaker.state is BreakerState.OPEN and breaker.retry_at is not None:
        left = (breaker.retry_at - now).total_seconds()
        word += f", probed in {short_duration(left)}" if left > 0 else ", probed by the next call"
    return f"{word}, not healthy" if breaker.healthy is False else word


def _lines(found: Sequence[Dependency]) -> Table:
    table = terminal.make_table("Dependency", "Limits", "In use", "Waiting", "Last turn about")
    for _, standing in found:
        if not standing.pace.limits:
            continue
        count = len(standing.waiting)
        runs = len({place.run for place in standing.waiting})
        table.add_row(
            Text(visible(standing.dependency)),
            Text(standing.pace.in_words),
            str(standing.held) if standing.pace.at_once else "",
            f"{count} call{'s' * (count != 1)} of {runs} run{'s' * (runs != 1)}" if count else "",
            _moment(max((place.turn_at for place in standing.waiting), default=None)),
        )
    return table


def _waiting(standing: Standing) -> list[Text]:
    lines = []
    for number, place in enumerate(standing.waiting[:SHOWN], 1):
        turn = place.turn_at.strftime("%H:%M:%S")
        text = f"{standing.dependency}: {number}. {place.run} {place.call}, its turn about {turn} UTC"
        lines.append(Text(visible(text)))
    if len(standing.waiting) > SHOWN:
        lines.append(Text(f"and {len(standing.waiting) - SHOWN} more"))
    return lines


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""
