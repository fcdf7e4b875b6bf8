"""Workers whose clock is an hour wrong: deadlines are kept by workflow time, which is the server's."""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from tests.chaos.deciding import refund
from tests.chaos.scene import Stage

LIBRARY_VARIABLE = "PLANGATE_CHAOS_FAKETIME"
"""Path of `libfaketime.so.1`; without it, and where it isn't installed, `sabotage.shift_clock` moves the clock."""
DEADLINE = timedelta(minutes=1)
SLACK = timedelta(seconds=45)


async def wrong(stage: Stage, runs: int, hours: int) -> None:
    """Two of four workers are wrong. Every second gate is approved in time, the others wait for their deadline."""
    await stage.faults(workers=("w1", "w2"))
    library = _library()
    if library is not None:
        shift = {"LD_PRELOAD": str(library), "FAKETIME": f"{hours:+d}h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        others = [
            stage.rig.spawn([sys.executable, "-m", "workers.worker"], name, **stage.rig.worker_environment(), **shift)
            for name in ("wrong1", "wrong2")
        ]
        stage.figures.what["clock moved by libfaketime"] += runs
    else:
        others = []
        await stage.rig.keep("w3", "w4", sabotage=(f"clock{hours:+d}",))
        stage.figures.what["clock moved where Python reads it"] += runs
    try:
        await stage.until(
            lambda: all(stage.rig.ready(name) for name in (("wrong1", "wrong2") if others else ("w3", "w4")))
        )
        stage.crowd.answers = True
        cases = [refund(f"s{stage.seed}-{number}", stage.shop) for number in range(runs)]
        stage.crowd.mute = {case.run for case in cases[::2]}
        stage.crowd.at_once = runs
        await stage.crowd.serve(cases)
        records = await stage.judge()
    finally:
        for other in others:
            other.send_signal(signal.SIGKILL)
            other.wait()
    for case in cases:
        (gate,) = records.of("approvals", run=case.run)
        wanted = "expired" if case.run in stage.crowd.mute else "approved"
        if gate["status"] != wanted:
            stage.wrong("lost", case.run, f"its gate is {gate['status']}, not {wanted}")
        last = records.histories[case.run][-1]
        took = last.ended - last.started
        if wanted == "expired" and not DEADLINE <= took <= DEADLINE + SLACK:
            stage.wrong("lost", case.run, f"nobody answered, and it ended after {took.total_seconds():.0f} s")
    stage.figures.faults += runs


def _library() -> Path | None:
    named = os.environ.get(LIBRARY_VARIABLE, "")
    candidates = [Path(named)] if named else sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return next((path for path in candidates if path.exists()), None)
