"""Pacing: who may call a dependency when. Pure: no I/O, no clock.

A dependency with limits has a line. A call that comes early gets a place in it and is told when to ask again; when it
is its turn it gets a `Turn`, now or within `RESERVE`. Nobody is refused.

    order      by virtual time: each place is numbered one higher than its user's last place, or than the call served
               last. So users take turns, whatever the number of their calls; of one user the oldest call comes first
    requests   a fixed interval lies between two calls (GCRA); `burst` calls may come at once after a quiet time, and
               the interval is chosen so that never more than the limit begin within any minute
    tokens     as requests, by the call's tokens: guessed before it, corrected after it
    at once    a turn is held until the call ends, or until it must have ended: its worker may have died
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import BaseModel

from plangate.paces import ModelPace

RESERVE = timedelta(seconds=1.5)
"""A turn is given so long before it begins at most: who has it waits for it without asking again."""
EARLY = timedelta(seconds=1)
"""So long before its turn a call asks again."""
SOONEST, LATEST = timedelta(seconds=0.1), timedelta(seconds=60)
"""Bounds of the time until a call asks again: the line may move faster than was foreseen."""
NOTICED = timedelta(seconds=2)
"""So soon the calls at the head of the line ask whether a place has become free: the call that holds it may end long
before it was foreseen, in another process. After 16 s they ask less often, at an eighth of the time that they wait."""
GRACE = timedelta(seconds=2)
"""A place whose call doesn't ask again in time holds up the others for so long; then they go first."""
KEPT = timedelta(seconds=60)
"""Then it is forgotten."""
_JUMP = timedelta(seconds=5)
"""The clock went back when the line was last used so far in the future."""


class Wait(BaseModel):
    """A call that is early: what for, until about when, and when to ask again. Goes into history."""

    dependency: str
    why: str
    """The limit, in words."""
    ahead: int = 0
    """Calls that come before it."""
    turn_seconds: float = 0.0
    """Until about its turn."""
    seconds: float = 0.0
    """Until it asks again."""
    failed: int = 0
    """Attempts of the activity that failed before this one; they count."""
    down: bool = False
    """It isn't early: its dependency is down. That is not waited for without end."""


@dataclass(frozen=True)
class Asking:
    """A call that would like to be made."""

    key: str
    """The same each time that the call asks."""
    user: str
    """Whose calls take turns with those of others."""
    run: str = ""
    call: str = ""
    tokens: float = 0.0
    """Guessed."""
    seconds: float = 60.0
    """How long it may take: after this time its worker counts as dead."""


@dataclass(frozen=True)
class Place:
    """A place in the line: of a call that waits, or (`holds`) of one that has its turn and has not ended."""

    key: str
    user: str
    run: str
    call: str
    tag: int
    """Its virtual time."""
    number: int
    """In which order places were taken."""
    tokens: float
    since: datetime
    turn_at: datetime
    """About when it is its turn; of a held place when it was."""
    due_at: datetime
    """When the call said that it asks again; of a held place when it counts as dead."""
    holds: bool = False

    def comes_before(self, other: Place) -> bool:
        """Whether it is served first."""
        return (self.tag, self.number) < (other.tag, other.number)


@dataclass
class Line:
    """A dependency's line, as the database has it."""

    name: str
    next_at: datetime | None = None
    """When the next request's interval begins."""
    tokens_at: datetime | None = None
    """When all tokens so far are paid."""
    virtual: int = 0
    """The tag of the call served last, or the highest so far."""
    number: int = 0
    used_at: datetime | None = None
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def waiting(self) -> list[Place]:
        """Those without a turn."""
        return [place for place in self.places.values() if not place.holds]

    @property
    def held(self) -> int:
        """Turns whose call has not ended."""
        return sum(place.holds for place in self.places.values())


@dataclass(frozen=True)
class Turn:
    """The call may be made, at this time and not before."""

    at: datetime
    held: bool
    """Whether the line has to be told when the call has ended."""


@dataclass(frozen=True)
class Later:
    """The call is early."""

    turn_at: datetime
    ask_at: datetime
    ahead: int
    why: str


def ask(
    line: Line,
    pace: ModelPace,
    asking: Asking,
    now: datetime,
    *,
    not_before: datetime | None = None,
    typical: timedelta = timedelta(seconds=1),
) -> Turn | Later:
    """Ask for a call's turn; changes the line.

    Args:
        line: The dependency's line.
        pace: Its limits.
        asking: The call.
        now: The time.
        not_before: When the far side asked all for patience: until when.
        typical: How long a call takes, to guess when one that is under way makes room.
    """
    tidy(line, now)
    mine = _place(line, asking, now)
    ahead = [each for each in line.waiting if each.comes_before(mine) and each.due_at + GRACE > now]
    turn_at, why = _turn(line, pace, now, ahead, not_before, typical)
    room = pace.at_once is None or line.held + len(ahead) < pace.at_once
    if room and turn_at - now <= (timedelta(0) if ahead else RESERVE):
        return _serve(line, pace, mine, turn_at, asking.seconds)
    ask_at = now + min(max(turn_at - EARLY - now, SOONEST), LATEST)
    if not room and pace.at_once is not None and len(ahead) < pace.at_once:
        ask_at = min(ask_at, now + max(NOTICED, (now - mine.since) / 8))
    line.places[mine.key] = replace(mine, turn_at=turn_at, due_at=ask_at, tokens=asking.tokens)
    return Later(turn_at, ask_at, len(ahead), why)


def leave(line: Line, pace: ModelPace, key: str, now: datetime, *, tokens: float | None = None) -> None:
    """A call has ended, or waits no longer: its place is free.

    Args:
        line: The dependency's line.
        pace: Its limits.
        key: The call's.
        now: The time.
        tokens: What it used, if that is known; 0 when it was not made.
    """
    tidy(line, now)
    place = line.places.pop(key, None)
    if place is not None and place.holds and tokens is not None and line.tokens_at is not None:
        line.tokens_at += pace.token * (tokens - place.tokens)


def tidy(line: Line, now: datetime) -> None:
    """Forget places whose call is gone; and when the clock was set back, all that lies in the future."""
    if line.used_at is not None and line.used_at - now > _JUMP:
        _shift(line, line.used_at - now)
    line.used_at = now
    for place in list(line.places.values()):
        if place.due_at + (timedelta(0) if place.holds else KEPT) <= now:
            del line.places[place.key]


def _shift(line: Line, by: timedelta) -> None:
    line.next_at = line.next_at and line.next_at - by
    line.tokens_at = line.tokens_at and line.tokens_at - by
    for key, place in line.places.items():
        line.places[key] = replace(place, turn_at=place.turn_at - by, due_at=place.due_at - by, since=place.since - by)


def _place(line: Line, asking: Asking, now: datetime) -> Place:
    """The call's place in the line, a new one at the end of its user's if it has none."""
    known = line.places.pop(asking.key, None)
    if known is not None and not known.holds:
        return known
    last = max((each.tag for each in line.waiting if each.user == asking.user), default=0)
    line.number += 1
    return Place(
        key=asking.key,
        user=asking.user,
        run=asking.run,
        call=asking.call,
        tag=max(line.virtual, last) + 1,
        number=line.number,
        tokens=asking.tokens,
        since=now,
        turn_at=now,
        due_at=now,
    )


def _turn(
    line: Line,
    pace: ModelPace,
    now: datetime,
    ahead: list[Place],
    not_before: datetime | None,
    typical: timedelta,
) -> tuple[datetime, str]:
    """When the turn of a call comes before which these are served, and which limit makes it wait."""
    start = max(now, not_before or now)
    found = [(start, "it asked for patience (HTTP 429)" if start > now else "the calls before it")]
    if pace.requests_per_minute is not None:
        base = max(line.next_at or start, start)
        found.append((base + pace.interval * (len(ahead) - pace.burst + 1), pace.requests_in_words))
    if pace.tokens_per_minute is not None:
        base = max(line.tokens_at or start, start)
        found.append((base + pace.token * sum(each.tokens for each in ahead), pace.tokens_in_words))
    if pace.at_once is not None and (over := line.held + len(ahead) - pace.at_once) >= 0:
        found.append((now + typical * ((over + 1) / pace.at_once), f"{pace.at_once_in_words}"))
    turn_at, why = max(found, key=lambda each: each[0])
    return max(turn_at, start), why


def _serve(line: Line, pace: ModelPace, mine: Place, turn_at: datetime, seconds: float) -> Turn:
    line.virtual = max(line.virtual, mine.tag)
    if pace.requests_per_minute is not None:
        line.next_at = max(line.next_at or turn_at, turn_at) + pace.interval
    if pace.tokens_per_minute is not None:
        line.tokens_at = max(line.tokens_at or turn_at, turn_at) + pace.token * mine.tokens
    held = pace.at_once is not None or pace.tokens_per_minute is not None
    if held:
        until = turn_at + timedelta(seconds=seconds)
        line.places[mine.key] = replace(mine, holds=True, turn_at=turn_at, due_at=until)
    return Turn(turn_at, held)
