"""Counting how answers of dependencies differ from what tools know of them, for all workers together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog

from activities.storage import drifts
from activities.storage.drifts import DriftKey
from activities.storage.store import Store
from plangate.replies import Difference, DifferenceKind
from plangate.toolkit import Tool

ADDITION_SECONDS = 60.0
"""Between two writes of an addition that is known: an API that gained a field has it in every answer."""
MAX_KNOWN = 1000
"""Different ones that a worker tells apart: a far side may make up a name for each answer."""
MAX_WHAT = 500
"""Characters of a description kept."""
_log = structlog.get_logger("plangate.drift")


class Drifts:
    """The counts of a worker.

    Args:
        store: The project's database.
        clock: Seconds, for the time between two writes.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._kept: Counter[DriftKey] = Counter()
        self._written: dict[DriftKey, float] = {}
        store.before_close(self._write_all)

    async def note(self, tool: Tool, differences: Sequence[Difference]) -> None:
        """Count what a call found. It never fails: the call is what counts."""
        if not differences:
            return
        now, due = self._clock(), False
        for each in differences:
            key = self._key(tool, each)
            self._kept[key] += 1
            last = self._written.get(key)
            if each.kind is DifferenceKind.DRIFT or last is None or now - last >= ADDITION_SECONDS:
                due = True
            if last is None:
                _log.warning("the far side's answers changed", **key._asdict())
        if due:
            await self._write_all()

    def _key(self, tool: Tool, difference: Difference) -> DriftKey:
        key = DriftKey(tool.dependency, tool.name, difference.kind.value, difference.what[:MAX_WHAT])
        if key in self._written or len(self._written) < MAX_KNOWN:
            return key
        return key._replace(what="other differences")

    async def _write_all(self) -> None:
        counts, self._kept = self._kept, Counter()
        if not counts:
            return
        self._written.update(dict.fromkeys(counts, self._clock()))
        try:
            await drifts.add(self._store, counts, at=datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - the next one writes them
            self._kept.update(counts)
            _log.warning("can't count how answers changed", error=f"{type(error).__name__}: {error}")
