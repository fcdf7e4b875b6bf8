"""Threads that go on although their attempt was given up: nothing can stop them, so the ledger knows of them.

A sync tool runs in a thread. When its time is over the attempt fails, and the thread may still send. Its row stays held
meanwhile: a successor waits for it, and its late end is still heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import structlog

from activities import ledger
from activities.checked import Checked
from activities.claims import Claimed
from activities.invoking import encode
from activities.storage.store import Store

LEASE_SECONDS = 15.0
"""How long a thread that outlives its limit counts as sending without word of it."""
_LOOK_SECONDS = LEASE_SECONDS / 3
log = structlog.get_logger("plangate.ledger")
Happened = Callable[[Checked, Claimed, str], Awaitable[str]]


class Outliving:
    """Keeps rows of the ledger for such threads.

    Args:
        store: The project's database; the watch ends before it closes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: set[asyncio.Task[None]] = set()
        store.before_close(self._stop)

    def watch(self, checked: Checked, claimed: Claimed, thread: Future[Any], happened: Happened) -> None:
        """Stay beside a thread until it ends; `happened` hears of its effect."""
        task = asyncio.create_task(self._stay_beside(checked, claimed, thread, happened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stay_beside(self, checked: Checked, claimed: Claimed, thread: Future[Any], happened: Happened) -> None:
        key, waiting = checked.call.key, asyncio.wrap_future(thread)
        while not waiting.done():
            try:
                mine = await self._store.together(
                    lambda conn: ledger.renew(conn, key, token=claimed.token, seconds=LEASE_SECONDS)
                )
                if not mine:
                    log.warning("a thread goes on although its attempt was replaced", **names_of(checked))
                    return
            except Exception:
                log.exception("ledger not written", **names_of(checked))
            await asyncio.wait([waiting], timeout=_LOOK_SECONDS)
        try:
            await happened(checked, claimed, encode(checked.tool, waiting.result()))
        except Exception as error:  # noqa: BLE001 - the attempt was given up long ago; its fault says nothing sure
            log.warning("a thread that outlived its limit failed", **names_of(checked), error=str(error))
            await self._store.together(lambda conn: ledger.release(conn, key, token=claimed.token))

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def names_of(checked: Checked) -> dict[str, str]:
    """Which call it is, for logs."""
    return {"tool": checked.call.tool, "run": checked.call.run, "call": checked.call.call}
