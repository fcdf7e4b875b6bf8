"""What happens on a game day, as it happens: faults from their journal, processes from the system's own list, the run
from its timeline and from the attempts that Temporal counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from client.runs import Plangate
from plangate.runs import Event

ASK_SECONDS = 1.0
"""For a question to the server or a worker, which may be dead just now."""
QUICK_SECONDS = 0.1
SLOW_SECONDS = 0.25
WATCHED = ("worker", "temporal")
_COPING = ("blocked", "fallback", "revising", "undone")


class Kind(StrEnum):
    """What a line is about."""

    BROKE = "broke"
    COPED = "coped"
    """What the system did about it."""
    WENT_ON = "went on"
    """What the run would have done anyway."""


@dataclass(frozen=True)
class Happening:
    """One line of a game day.

    Attributes:
        at: When.
        kind: What sort.
        who: A dependency, a process, an activity, or a kind of event of the run's timeline.
        about: A journal's entry, or `back`, or an attempt, or an event's text.
    """

    at: datetime
    kind: Kind
    who: str
    about: dict[str, Any] = field(default_factory=dict)


class Witness:
    """Sees what happens to a run and its system, and puts it into `seen`.

    Args:
        folder: The data folder.
        journal: Where faults are written down.
        plangate: A connection to the server.
        run: The run.
    """

    def __init__(self, folder: Path, journal: Path, plangate: Plangate, run: str) -> None:
        self.seen: list[Happening] = []
        self._folder, self._journal, self._plangate, self._run = folder, journal, plangate, run
        self._faults = self._events = 0
        self._alive = self._pids()
        self._died: dict[str, datetime] = {}
        self._attempts: dict[str, int] = {}

    async def watch(self) -> None:
        """Look on, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_at_files())
            group.create_task(self._look_at_attempts())
            group.create_task(self._look_at_timeline())

    def kill_server(self) -> None:
        """Kill the Temporal server."""
        pid = self._alive.get("temporal")
        if pid is not None:
            self._died["temporal"] = datetime.now(UTC)
            self.seen.append(Happening(self._died["temporal"], Kind.BROKE, "temporal", {"fault": "kill", "pid": pid}))
            os.kill(pid, signal.SIGKILL)

    async def _look_at_files(self) -> None:
        while True:
            self.seen += [*self._new_faults(), *self._new_processes()]
            await asyncio.sleep(QUICK_SECONDS)

    def _new_faults(self) -> Iterator[Happening]:
        try:
            lines = self._journal.read_bytes().splitlines(keepends=True)
        except OSError:
            return
        whole = [json.loads(line) for line in lines if line.endswith(b"\n")]
        for entry in whole[self._faults :]:
            if entry["rule"] is not None:
                at = datetime.fromisoformat(entry["at"])
                if entry["dependency"] == "worker":
                    self._died["worker"] = at
                yield Happening(at, Kind.BROKE, entry["dependency"], entry)
        self._faults = len(whole)

    def _new_processes(self) -> Iterator[Happening]:
        """Those that are back: the supervisor publishes the new process once it is ready."""
        now = datetime.now(UTC)
        for name, pid in self._pids().items():
            if self._alive.get(name) not in (None, pid):
                died = self._died.pop(name, None)
                seconds = (now - died).total_seconds() if died is not None else None
                yield Happening(now, Kind.COPED, name, {"back": True, "pid": pid, "seconds": seconds})
            self._alive[name] = pid

    def _pids(self) -> dict[str, int]:
        try:
            pids = json.loads((self._folder / "system.json").read_text(encoding="utf-8"))["pids"]
        except (OSError, ValueError, KeyError):
            return {}
        return {name: pids[name] for name in WATCHED if name in pids}

    async def _look_at_attempts(self) -> None:
        """Activities that failed and are tried again, by the server's word."""
        from temporalio.service import RPCError

        while True:
            await asyncio.sleep(SLOW_SECONDS)
            try:
                described = await self._plangate.handle(self._run).describe(rpc_timeout=timedelta(seconds=ASK_SECONDS))
            except RPCError:
                continue
            for activity in described.raw_description.pending_activities:
                again = activity.attempt > max(1, self._attempts.get(activity.activity_id, 1))
                if again and activity.HasField("last_failure"):
                    self._attempts[activity.activity_id] = activity.attempt
                    self.seen.append(_attempt(activity))

    async def _look_at_timeline(self) -> None:
        from temporalio.client import WorkflowQueryFailedError
        from temporalio.service import RPCError

        limit = timedelta(seconds=ASK_SECONDS)
        handle = self._plangate.handle(self._run)
        while True:
            await asyncio.sleep(SLOW_SECONDS)
            try:
                events: list[Event] = await handle.query(
                    "timeline", self._events, result_type=list[Event], rpc_timeout=limit
                )
            except (RPCError, WorkflowQueryFailedError):
                continue
            self._events += len(events)
            for event in events:
                kind = Kind.COPED if event.kind in _COPING else Kind.WENT_ON
                self.seen.append(Happening(event.at, kind, event.kind, {"text": event.text, "step": event.step}))


def _attempt(activity: Any) -> Happening:
    failure = activity.last_failure
    told = {
        "attempt": activity.attempt,
        "wait": activity.current_retry_interval.ToTimedelta().total_seconds(),
        "message": failure.message,
        "silent": failure.HasField("timeout_failure_info"),
    }
    at = datetime.now(UTC)
    if activity.HasField("last_attempt_complete_time") and not told["silent"]:
        at = activity.last_attempt_complete_time.ToDatetime(UTC)
    return Happening(at, Kind.COPED, activity.activity_type.name, told)
