"""Picks faults, and writes down each one before it strikes, in a file that all processes of a storm share.

A journal is JSON lines: a fault that was injected, or a call that only counts towards `after` or `probability`:

    {"at": …, "plan": …, "pid": …, "matched": [2], "rule": 2, "dependency": "worker", "call": "after-effect",
     "fault": "kill", "about": {"run": …, "tool": …}}

Counts come from the file, so `after` and `times` hold for all processes together, and across their deaths.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plangate.faultplan import Counts, FaultPlan, FaultRule, Pick, count, pick


class Injector:
    """The fault plan in force.

    Args:
        plan: What goes wrong.
        journal: The file; without one, counts are this process's own.

    Raises:
        OSError: The journal can't be written.
    """

    def __init__(self, plan: FaultPlan, journal: Path | None = None) -> None:
        self.plan = plan
        self.journal = journal
        self.counts = Counts.of(plan)
        self._lock = threading.Lock()
        self._read = 0
        self._file: int | None = None
        if journal is not None:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(journal, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with self._alone():
                pass

    @property
    def injected(self) -> list[int]:
        """How often each rule has struck, as far as this process has read."""
        return self.counts.injected

    def pick(
        self,
        names: Collection[str],
        call: str,
        facts: Mapping[str, Any] | None = None,
        *,
        about: Mapping[str, Any] | None = None,
    ) -> FaultRule | None:
        """The fault of a call, if any; it is in the journal when this returns.

        Args:
            names: The names of its dependency.
            call: What is called there.
            facts: What the conditions of `match` look at.
            about: What the journal says of the call.
        """
        if not self.plan.concerns(*names):
            return None
        with self._alone():
            picked = pick(self.plan, self.counts, names, call, facts or {})
            self._take_down(picked, call, about or {})
        return None if picked.rule is None else self.plan.faults[picked.rule]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else picks meanwhile, and what others have picked is known."""
        with self._lock:
            if self._file is None:
                yield
                return
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                self._catch_up(self._file)
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self, file: int) -> None:
        size = os.fstat(file).st_size
        if size <= self._read:
            return
        for line in os.pread(file, size - self._read, self._read).splitlines():
            if (entry := read_entry(line)) and entry.get("plan") == self.plan.digest:
                count(self.counts, Pick(tuple(entry["matched"]), entry["rule"]))
        self._read = size

    def _take_down(self, picked: Pick, call: str, about: Mapping[str, Any]) -> None:
        if not picked.matched:
            return
        if self._file is None:
            count(self.counts, picked)
            return
        entry: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "plan": self.plan.digest,
            "pid": os.getpid(),
            "matched": picked.matched,
            "rule": picked.rule,
        }
        if picked.rule is not None:
            rule = self.plan.faults[picked.rule]
            what = {"dependency": rule.dependency, "call": call, "fault": rule.fault.value}
            entry |= {**what, "about": {name: value for name, value in about.items() if value is not None}}
        os.write(self._file, f"{json.dumps(entry, default=str)}\n".encode())
        if picked.rule is not None:
            os.fsync(self._file)
        self._catch_up(self._file)


def read_entry(line: bytes | str) -> dict[str, Any] | None:
    """A line of a journal; None when it isn't a whole one."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "matched" in entry and "rule" in entry else None


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The faults that were injected, in order; none when there is no journal."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [entry for line in lines if (entry := read_entry(line)) and entry["rule"] is not None]
