"""How long a run stands still when its worker is killed: kill → the next step starts, as people run it.

    python -m tests.chaos.recovery [--kills 10] [--write-docs]

`plangate up` with its defaults: one worker, kept by the supervisor, the example agent as it ships, the embedded server.
A run of twelve steps, one after the other, loses its worker in the middle, at a moment left to chance; what is measured
is the time from the signal to the start of the next attempt of a tool, by the server's history.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from temporalio.client import Client

from tests.chaos.report import DOCS
from tests.chaos.rig import ROOT, clean_environment

STEPS = 12
STEADY_SECONDS = 12.0
"""A worker that dies within 10 s of its start is in a crash loop for the supervisor, which then waits longer."""
FIRST_ORDER = 2001
"""Each step looks at another order: the same call again and again is taken for a loop."""
BEGIN, END = (
    "<!-- recovery: begin, written by `python -m tests.chaos.recovery --write-docs` -->",
    "<!-- recovery: end -->",
)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Path]:
    """`plangate up` on a folder; gives its data folder."""
    data = folder / "data"
    data.mkdir()
    with (folder / "supervisor.log").open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "workers.supervisor", "--json", "--until-eof", "--data", str(data)],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
    assert up.stdin is not None
    assert up.stdout is not None
    try:
        line = up.stdout.readline()
        assert json.loads(line or "{}").get("ready"), f"the system doesn't start: {line}"
        yield data
    finally:
        up.stdin.close()
        up.wait(60)
        up.stdout.close()


def facts(data: Path) -> dict[str, Any]:
    """`system.json` as it is now."""
    return dict(json.loads((data / "system.json").read_text(encoding="utf-8")))


async def one_death(client: Client, data: Path, run: str, dice: random.Random) -> tuple[float, str]:
    """Kill the worker in the middle of a run.

    Returns:
        Seconds until the next step started, and what the worker was doing.
    """
    steps = [{"id": f"s{n}", "tool": "get_order", "args": {"order_id": str(FIRST_ORDER + n)}} for n in range(STEPS)]
    for before, step in pairwise(steps):
        step["after"] = [before["id"]]  # type: ignore[assignment]
    plan = {"goal": "Look often.", "steps": steps}
    handle = await client.start_workflow("AgentRun", {"agent": "support", "plan": plan}, id=run, task_queue="plangate")
    wanted = dice.randint(2, STEPS - 3)
    while len([start async for start in _starts(handle)]) < wanted:  # noqa: ASYNC110 - a history tells nobody
        await asyncio.sleep(0.01)
    await asyncio.sleep(dice.uniform(0, 0.1))
    pid, killed = facts(data)["pids"]["worker"], datetime.now(UTC)
    os.kill(pid, signal.SIGKILL)
    busy = (await handle.describe()).raw_description.pending_activities
    await asyncio.wait_for(handle.result(), 120)
    after = [start for start in [each async for each in _starts(handle)] if start > killed]
    return (min(after) - killed).total_seconds(), "in a tool" if busy else "between two tools"


async def _starts(handle: Any) -> AsyncIterator[datetime]:
    """When the attempts of tools that have ended had started."""
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_started_event_attributes"):
            yield event.event_time.ToDatetime(UTC)


async def measure(kills: int, seed: int) -> list[tuple[float, str]]:
    """So many deaths on one system, one after the other."""
    dice, found = random.Random(seed), []
    folder = tempfile.TemporaryDirectory(prefix="plangate-recovery-", ignore_cleanup_errors=True)
    with folder as name, running(Path(name)) as data:
        client = await Client.connect(facts(data)["address"])
        for number in range(kills):
            await asyncio.sleep(STEADY_SECONDS)
            seconds, doing = await one_death(client, data, f"recovery-{number}", dice)
            found.append((seconds, doing))
            print(f"  {seconds:5.1f} s  ({doing})", flush=True)
    return found


def _told(found: Sequence[tuple[float, str]], seed: int) -> Iterator[str]:
    times = [seconds for seconds, _ in found]
    yield f"{len(times)} kills, seed {seed}: median {statistics.median(times):.1f} s, longest {max(times):.1f} s."
    for doing in ("in a tool", "between two tools"):
        some = [seconds for seconds, what in found if what == doing]
        if some:
            yield f"{len(some)} of them {doing}: median {statistics.median(some):.1f} s, longest {max(some):.1f} s."
    load = os.getloadavg()[1]
    yield f"Measured on {os.cpu_count()} cores with a load of {load:.1f} from other work beside it."


def main() -> int:
    """Measure; exit code 1 when a run stood still for longer than 15 seconds."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.recovery", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--write-docs", action="store_true", help="write the figures into docs/reliability.md")
    given = parser.parse_args()
    found = asyncio.run(measure(given.kills, given.seed))
    told = list(_told(found, given.seed))
    print("\n".join(told))
    if given.write_docs:
        text = DOCS.read_text(encoding="utf-8")
        table = "\n".join(told)
        text = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", f"{BEGIN}\n\n{table}\n\n{END}", text, flags=re.S)
        DOCS.write_text(text, encoding="utf-8")
    return 1 if max(seconds for seconds, _ in found) > 15 else 0


if __name__ == "__main__":
    sys.exit(main())
