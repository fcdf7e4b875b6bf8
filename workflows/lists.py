"""The items of a list, a few at a time.

A workflow task may take two seconds, of which a busy machine leaves little. Items begin as places become free: what one
task has to do depends on how many calls may run at once, not on how long the list is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

AHEAD = 8
"""Items that are prepared while all places are taken."""
MAX_AT_GATES = 100
"""Items of a list that wait for people at the same time; the next ones ask when these have been answered."""


class Window:
    """How many items of a list may be under way.

    Args:
        parallel: Calls that may run at the same time.
    """

    def __init__(self, parallel: int) -> None:
        self._free = parallel + AHEAD
        self._at_gates: set[str] = set()
        self._changed = asyncio.Event()
        self._items: dict[asyncio.Task[None], None] = {}  # in order, unlike a set

    @property
    def _open(self) -> bool:
        return self._free > 0 and len(self._at_gates) < MAX_AT_GATES

    def waits(self, call: str) -> None:
        """An item's call waits for a person: it holds up nobody."""
        if call not in self._at_gates:
            self._at_gates.add(call)
            self._free += 1
            self._changed.set()

    def goes_on(self, call: str) -> None:
        """It was answered, and takes a place again."""
        if call in self._at_gates:
            self._at_gates.discard(call)
            self._free -= 1
            self._changed.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._items[task]
        self._free += 1
        self._changed.set()

    async def run(
        self, items: Iterable[int], begin: Callable[[int], Awaitable[None]], enough: Callable[[], bool]
    ) -> None:
        """Run items in their order, until all have ended or it is enough; those under way go on to their end.

        Args:
            items: Their numbers.
            begin: Runs one.
            enough: Whether no further one is to begin.

        Raises:
            Exception: What an item raised. The others are cancelled.
        """
        broken: list[BaseException] = []

        async def run_one(item: int) -> None:
            try:
                await begin(item)
            except Exception as error:  # noqa: BLE001 - raised again below
                broken.append(error)

        try:
            for item in items:
                while not self._open and not enough() and not broken:
                    self._changed.clear()
                    await self._changed.wait()
                if enough() or broken:
                    break
                self._free -= 1
                task = asyncio.create_task(run_one(item))
                self._items[task] = None
                task.add_done_callback(self._ended)
            while self._items and not broken:
                self._changed.clear()
                await self._changed.wait()
        finally:
            left = list(self._items)
            for task in left:
                task.cancel()
            if left:
                await asyncio.gather(*left, return_exceptions=True)
        if broken:
            raise broken[0]
