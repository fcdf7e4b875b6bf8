"""The tables of lines and places: who waits for a dependency with limits, and whose turn it is, for all workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Executable, Row, and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.statements import insert_into
from activities.storage.store import Store
from plangate.paces import ModelPace
from plangate.pacing import KEPT, Line, Place

_LINES, _PLACES = tables.lines, tables.places
_FIELDS = ("next_at", "tokens_at", "virtual", "number", "used_at")
_LIMITS = tuple(ModelPace.model_fields)
T = TypeVar("T")


@dataclass(frozen=True)
class Standing:
    """A dependency with limits, for people."""

    dependency: str
    pace: ModelPace
    waiting: Sequence[Place] = ()
    """In the order in which they are served."""
    held: int = 0


class Lines:
    """The lines of a database.

    Args:
        store: The project's database.
        clock: The time in UTC; tests set it. By default PostgreSQL's own, which is one for all workers, and this
            machine's, which all users of a SQLite file share.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime] | None = None) -> None:
        self._store, self._clock = store, clock

    async def change(self, dependency: str, how: Callable[[Line, datetime], T]) -> tuple[T, datetime]:
        """Change a line, alone among all workers; gives back what `how` gave, and the time that it was given.

        Args:
            dependency: Whose line; one that isn't known is new.
            how: Changes the line. May be called twice, the first time without effect.
        """

        async def work(connection: AsyncConnection) -> tuple[T, datetime]:
            line = await _locked(connection, self._store.dialect, dependency)
            now = await self._now(connection)
            before = dict(line.places)
            value = how(line, now)
            await _write(connection, self._store.dialect, before, line)
            return value, now

        return await self._store.together(work)

    async def _now(self, connection: AsyncConnection) -> datetime:
        if self._clock is not None:
            return self._clock()
        if self._store.dialect == "postgresql":
            moment: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            return moment.astimezone(UTC)
        return datetime.now(UTC)

    async def forget(self, run: str, keys: Sequence[str] | None = None) -> None:
        """Free the places of a run: all, or those of some calls."""
        gone = delete(_PLACES).where(_PLACES.c.run == run)
        if keys is not None:
            gone = gone.where(_PLACES.c.key.in_(keys))

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(gone)

        await self._store.together(work)

    async def announce(self, paces: Mapping[str, ModelPace]) -> None:
        """Write down which limits hold, for people; dependencies that are no longer limited have none.

        Where one is raised, nobody waits for what was owed by the old one: that may be hours.
        """
        insert = insert_into(self._store.dialect, _LINES)
        shown = {name: getattr(insert.excluded, name) for name in _LIMITS}
        for owed, limit in (("next_at", "requests_per_minute"), ("tokens_at", "tokens_per_minute")):
            raised = getattr(insert.excluded, limit) > _LINES.c[limit]
            shown[owed] = case((raised, None), else_=_LINES.c[owed])
        insert = insert.on_conflict_do_update(index_elements=["dependency"], set_=shown)
        none = {name: None for name in _LIMITS if name != "burst"}
        rows = [{**_new(name), **pace.model_dump(include=set(_LIMITS))} for name, pace in paces.items()]

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(update(_LINES).where(_LINES.c.dependency.not_in(list(paces))).values(none))
            if rows:
                await connection.execute(insert, rows)

        await self._store.together(work)

    async def listed(self, now: datetime) -> list[Standing]:
        """All dependencies with limits or with somebody who waits, by name."""
        async with self._store.reading() as connection:
            lines = (await connection.execute(select(_LINES).order_by(_LINES.c.dependency))).all()
            live = or_(
                and_(_PLACES.c.holds.is_(True), _PLACES.c.due_at > now),
                and_(_PLACES.c.holds.is_(False), _PLACES.c.due_at > now - KEPT),
            )
            rows = (await connection.execute(select(_PLACES).where(live))).all()
        places: dict[str, list[Place]] = {}
        for row in rows:
            places.setdefault(row.dependency, []).append(_place(row))
        found = []
        for row in lines:
            here = sorted(places.get(row.dependency, []), key=lambda each: (each.tag, each.number))
            waiting = tuple(each for each in here if not each.holds)
            pace = ModelPace.model_construct(**{name: getattr(row, name) for name in _LIMITS})
            if pace.limits or here:
                found.append(Standing(row.dependency, pace, waiting, len(here) - len(waiting)))
        return found


async def _locked(connection: AsyncConnection, dialect: str, dependency: str) -> Line:
    name = {"of_name": dependency}
    row = (await connection.execute(_LINE, name)).one_or_none()
    if row is None:
        insert = insert_into(dialect, _LINES).values(_new(dependency))
        await connection.execute(insert.on_conflict_do_nothing(index_elements=["dependency"]))
        row = (await connection.execute(_LINE, name)).one()
    found = await connection.execute(_IN_LINE, name)
    return Line(dependency, **row._mapping, places={each.key: _place(each) for each in found})


async def _write(connection: AsyncConnection, dialect: str, before: dict[str, Place], line: Line) -> None:
    await connection.execute(_CHANGED, {"of_name": line.name, **{name: getattr(line, name) for name in _FIELDS}})
    gone = [{"of_key": key, "of_name": line.name} for key in before.keys() - line.places.keys()]
    if gone:
        await connection.execute(_GONE, gone)
    rows = [{"dependency": line.name, **vars(place)} for key, place in line.places.items() if before.get(key) != place]
    if rows:
        await connection.execute(_taken(dialect), rows)


# Built once: a statement with its values in it would be coerced and hashed for each question.
_NAMED, _OF_NAME = _LINES.c.dependency == bindparam("of_name"), _PLACES.c.dependency == bindparam("of_name")
_LINE = select(*(_LINES.c[name] for name in _FIELDS)).where(_NAMED).with_for_update()
_IN_LINE = select(_PLACES).where(_OF_NAME)
_CHANGED = update(_LINES).where(_NAMED)
_GONE = delete(_PLACES).where(_OF_NAME, _PLACES.c.key == bindparam("of_key"))


@cache
def _taken(dialect: str) -> Executable:
    insert = insert_into(dialect, _PLACES)
    values = {name: getattr(insert.excluded, name) for name in Place.__dataclass_fields__}
    return insert.on_conflict_do_update(index_elements=["dependency", "key"], set_=values)


def _place(row: Row[Any]) -> Place:
    return Place(**{name: getattr(row, name) for name in Place.__dataclass_fields__})


def _new(dependency: str) -> dict[str, Any]:
    return {"dependency": dependency, "virtual": 0, "number": 0, "burst": 1}
