"""Runs that are larger than a payload or longer than a history may be."""

from __future__ import annotations

import asyncio
import signal
from itertools import pairwise

from tests.chaos.cases import Case
from tests.chaos.checker import fingerprint
from tests.chaos.deciding import refund
from tests.chaos.people import RPC, persist
from tests.chaos.scene import Stage

RESULT_BYTES = 3_000_000
LARGEST_HISTORY = 51_200
"""Temporal's limit of events."""
MOST_IN_HISTORY = 256 * 1024
"""Bytes of one event at most: far below the 2 MB that a payload may have."""
LIST, LISTS = 250, 8
"""Items of a list, and lists one after the other."""
BURST = 1000
GATE = "SELECT id, digest, deadline FROM approvals WHERE call = 'finish'"


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
    """A run of so many events: lists of calls, and decisions about other arguments while they are worked through.

    A gate waits through all of it. There is a refund before and one after.
    """
    await stage.faults()
    stage.crowd.answers = False
    stage.crowd.patience = 1800.0
    first, last = refund(f"s{stage.seed}-first", stage.shop, 12.0), refund(f"s{stage.seed}-last", stage.shop, 26.0)
    begin, end = first.plan["steps"][0]["args"], last.plan["steps"][0]["args"]
    steps = [
        {"id": "begin", "tool": "refund_payment", "args": begin},
        {"id": "finish", "tool": "refund_payment", "args": end},
        {"id": "count", "tool": "count_up", "args": {"size": LIST}, "after": ["begin"]},
    ]
    lists = [f"list{number}" for number in range(LISTS)]
    for number, (before, name) in enumerate(pairwise(["count", *lists])):  # no two calls are alike: that is a loop
        item = {
            "tool": "tick",
            "args": {"number": {"$ref": "item"}, "bytes": number},
            "for_each": "count",
            "after": [before],
        }
        steps.append({"id": name, **item})
    case = Case(f"s{stage.seed}-long", {"goal": "Count.", "steps": steps}, f"{first.about} and {last.about}")
    case.meant[fingerprint("refund_payment", begin)] = case.meant[fingerprint("refund_payment", end)] = 1
    killing = asyncio.create_task(_kill(stage, every=20.0))
    await stage.crowd.start(case)
    while not await stage.rows(GATE):  # noqa: ASYNC110 - a database tells nobody
        await asyncio.sleep(0.2)
    (before,) = await stage.rows(GATE)
    sent = await _flood(stage, case.run, before["id"], events)
    items = "SELECT count(*) AS items FROM results WHERE step LIKE 'list%'"
    while (await stage.rows(items))[0]["items"] < LIST * LISTS:  # noqa: ASYNC110
        await asyncio.sleep(1.0)
    (after,) = await stage.rows(GATE)
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
    keys = [row["key"] for row in records.tables["results"] if row["step"] in lists]
    if len(keys) != len(set(keys)) or len(keys) != LIST * LISTS:
        stage.wrong("doubles", case.run, f"{len(keys)} results of {len(set(keys))} items")
    stale = len(records.of("decisions", run=case.run, status="stale"))
    if stale != sent:
        stage.wrong("lost", case.run, f"{sent} decisions about other arguments were sent, {stale} are recorded")
    stage.figures.what |= {"executions": len(executions), "longest history": longest, "decisions": sent}
    stage.figures.faults += sum(execution.length for execution in executions)


async def _flood(stage: Stage, run: str, gate: str, events: int) -> int:
    """Send decisions about other arguments until a run has so many events."""
    client, slots, sent = stage.crowd.client, asyncio.Semaphore(20), 0
    handle = client.get_workflow_handle(run)

    def told() -> None:
        stage.figures.what["refused until the run went on as new"] += 1

    async def say(number: int) -> None:
        wrong = {"approval": gate, "digest": f"{number:064x}", "by": "nobody"}
        async with slots:
            await persist(lambda: handle.signal("approve", wrong, rpc_timeout=RPC), told=told)

    while True:
        length = 0
        async for each in client.list_workflows(f"WorkflowId = '{run}'"):
            described = await client.get_workflow_handle(run, run_id=each.run_id).describe()
            length += described.history_length
        if length >= events:
            return sent
        await asyncio.gather(*(say(sent + number) for number in range(BURST)))
        sent += BURST


async def _kill(stage: Stage, every: float = 3.0) -> None:
    while True:
        await asyncio.sleep(every)
        stage.rig.signal(stage.dice.choice(stage.workers), signal.SIGKILL)
