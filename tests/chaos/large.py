"""Runs that are larger than a payload or longer than a history may be."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.cases import Case
from tests.chaos.checker import fingerprint
from tests.chaos.deciding import refund
from tests.chaos.scene import Stage

RESULT_BYTES = 3_000_000
LARGEST_HISTORY = 51_200
"""Temporal's limit of events."""
MOST_IN_HISTORY = 256 * 1024
"""Bytes of one event at most: far below the 2 MB that a payload may have."""
EVENTS_A_CALL = 5
"""About so many events cost one item of a list."""


async def result(stage: Stage, runs: int) -> None:
    """A result of 3 MB, which a later step reads, and its worker is killed now and then."""
    await stage.faults()
    cases = []
    for number in range(runs):
        case = refund(f"s{stage.seed}-{number}", stage.shop, amount=12.0)
        args = case.plan["steps"][0]["args"]
        steps = [
            {"id": "huge", "tool": "tick", "args": {"number": 1, "bytes": RESULT_BYTES}},
            {"id": "reads", "tool": "tick", "args": {"number": {"$ref": "length(huge.text)"}}},
            {"id": "refund", "tool": "refund_payment", "args": args, "after": ["reads"]},
        ]
        case.plan = {"goal": "Read much, refund little.", "steps": steps}
        case.meant[fingerprint("refund_payment", args)] = 1
        cases.append(case)
    killing = asyncio.create_task(_kill(stage))
    await stage.crowd.serve(cases)
    killing.cancel()
    records = await stage.judge()
    stored = [row["size"] for row in records.tables["results"] if row["size"] > RESULT_BYTES]
    stage.figures.faults += len(stored)
    for run, executions in records.histories.items():
        largest = max(execution.largest for execution in executions)
        stage.figures.what["bytes of the largest event"] = max(
            largest, stage.figures.what["bytes of the largest event"]
        )
        if largest > MOST_IN_HISTORY:
            stage.wrong("lost", run, f"an event of its history has {largest:,} bytes")


async def run(stage: Stage, events: int) -> None:
    """A run of so many events, with a gate that waits through all of them and a refund at each end."""
    await stage.faults()
    stage.crowd.answers = False
    stage.crowd.patience = 3600.0
    first, last = refund(f"s{stage.seed}-first", stage.shop, 12.0), refund(f"s{stage.seed}-last", stage.shop, 26.0)
    items = events // EVENTS_A_CALL
    begin, end = first.plan["steps"][0]["args"], last.plan["steps"][0]["args"]
    steps = [
        {"id": "begin", "tool": "refund_payment", "args": begin},
        {"id": "end", "tool": "refund_payment", "args": end},
        {"id": "count", "tool": "count_up", "args": {"size": items // 2}, "after": ["begin"]},
        {"id": "each", "tool": "tick", "args": {"number": {"$ref": "item"}}, "for_each": "count"},
        {"id": "again", "tool": "tick", "args": {"number": {"$ref": "item"}}, "for_each": "count"},
    ]
    case = Case(f"s{stage.seed}-long", {"goal": "Count for long.", "steps": steps}, f"{first.about} and {last.about}")
    case.meant[fingerprint("refund_payment", begin)] = case.meant[fingerprint("refund_payment", end)] = 1
    killing = asyncio.create_task(_kill(stage, every=20.0))
    await stage.crowd.start(case)
    while not await stage.rows("SELECT 1 FROM approvals"):  # noqa: ASYNC110 - a database tells nobody
        await asyncio.sleep(0.2)
    (before,) = await stage.rows("SELECT id, digest, deadline FROM approvals")
    done = "SELECT count(*) AS items FROM results WHERE step IN ('each', 'again')"
    while (await stage.rows(done))[0]["items"] < items:  # noqa: ASYNC110
        await asyncio.sleep(1.0)
    (after,) = await stage.rows("SELECT id, digest, deadline FROM approvals")
    if before != after:
        stage.wrong("lost", case.run, f"its gate was {before}, and is {after}")
    await stage.crowd.say(case.run, "approve", {"approval": after["id"], "digest": after["digest"], "by": "kim"})
    async with asyncio.timeout(stage.crowd.patience):
        await stage.crowd.until_ended(case.run)
    killing.cancel()
    records = await stage.judge()
    executions = records.histories[case.run]
    longest = max(execution.length for execution in executions)
    if longest >= LARGEST_HISTORY:
        stage.wrong("lost", case.run, f"one of its histories has {longest:,} events")
    keys = [row["key"] for step in ("each", "again") for row in records.of("results", step=step)]
    if len(keys) != len(set(keys)) or len(keys) != items:
        stage.wrong("doubles", case.run, f"{len(keys)} results of {len(set(keys))} items")
    stage.figures.what |= {"executions": len(executions), "longest history": longest}
    stage.figures.faults += sum(execution.length for execution in executions)


async def _kill(stage: Stage, every: float = 3.0) -> None:
    while True:
        await asyncio.sleep(every)
        stage.rig.signal(stage.dice.choice(stage.workers), signal.SIGKILL)
