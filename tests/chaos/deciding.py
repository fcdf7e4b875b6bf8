"""Decisions as people send them: again and again, against each other, too late, about something else, ten thousand."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from temporalio.service import RPCError

from tests.chaos.cases import Case, Shop
from tests.chaos.people import RPC, persist
from tests.chaos.scene import Stage

WAYS = ("ten times", "conflicting", "other arguments", "late", "malformed", "unknown", "early", "by update, twice")


def refund(run: str, shop: Shop, amount: float = 26.0) -> Case:
    """One refund that a person has to approve."""
    paid = shop.take("delivered")
    args = {"order_id": paid["order_id"], "amount": amount, "reason": f"arrived broken {run}"}
    steps = [{"id": "refund", "tool": "refund_payment", "args": args}]
    return Case(run, {"goal": "Refund.", "steps": steps}, f"the order {paid['order_id']}")


async def many_ways(stage: Stage, runs: int) -> None:
    """Runs whose gates are decided in every way, while workers die in the handlers that take the decisions."""
    rule = {"dependency": "worker", "call": "in-signal-handler", "fault": "kill", "times": runs, "probability": 0.3}
    await stage.faults(rule)
    stage.crowd.answers = False
    sent: Counter[str] = Counter()
    cases = [refund(f"s{stage.seed}-{number}", stage.shop) for number in range(max(runs, len(WAYS)))]
    await asyncio.gather(*(_decided(stage, case, WAYS[n % len(WAYS)], sent) for n, case in enumerate(cases)))
    records = await stage.judge()
    for case in cases:
        rows = records.of("decisions", run=case.run)
        held = sum(row["status"] == "held" for row in rows)  # taken in twice: when it came, and when its gate opened
        if len(rows) - held != sent[case.run]:
            stage.wrong("lost", case.run, f"{sent[case.run]} decisions were sent, {len(rows) - held} are recorded")
        made = [row for row in records.refunds if row["reason"].endswith(f" {case.run}")]
        if len(made) > 1:
            stage.wrong("doubles", case.run, f"{len(made)} refunds")
    stage.figures.what["decisions sent"] += sent.total()
    stage.figures.faults += len(cases)


async def _decided(stage: Stage, case: Case, way: str, sent: Counter[str]) -> None:
    crowd = stage.crowd
    handle = crowd.client.get_workflow_handle(case.run)

    async def say(action: str, payload: Any) -> None:
        await persist(lambda: handle.signal(action, payload, rpc_timeout=RPC))
        sent[case.run] += 1

    await crowd.start(case)
    gate = await _gate(stage, case.run, early=way == "early")
    right = {"approval": gate["id"], "digest": gate["digest"], "by": "kim"}
    if way == "ten times":
        for _ in range(10):
            await say("approve", right)
    elif way == "conflicting":
        edited = {"order_id": case.plan["steps"][0]["args"]["order_id"], "amount": 25.0, "reason": f"less {case.run}"}
        others = [say("reject", {**right, "by": "lou"}), say("edit", {**right, "args": edited, "by": "max"})]
        await asyncio.gather(say("approve", right), *others)
    elif way == "other arguments":
        for digit in "123":
            await say("approve", {**right, "digest": digit * 64})
        await say("approve", right)
    elif way == "late":
        await say("reject", right)
        await say("approve", {**right, "by": "lou"})
    elif way == "malformed":
        for payload in ({"approval": 7, "digest": [1]}, {"by": {"no": 1}}):
            await say("approve", payload)
        await say("approve", right)
    elif way == "unknown":
        await say("approve", {**right, "approval": f"{case.run}/nobody"})
        await say("approve", right)
    elif way == "by update, twice":
        await crowd.say(case.run, "approve", right, update=True)
        await crowd.say(case.run, "approve", right)
    else:
        await say("approve", right)
    async with asyncio.timeout(crowd.patience):
        await crowd.until_ended(case.run)
    try:  # and once more after the end: whoever says it hears that it is too late
        await handle.signal("approve", right, rpc_timeout=RPC)
        stage.wrong("lost", case.run, "a decision after the end was taken and nobody will judge it")
    except RPCError:
        stage.figures.what["after the end: refused"] += 1
    if way == "by update, twice":
        rows = await stage.rows(f"SELECT status FROM decisions WHERE run = '{case.run}'")
        sent[case.run] = len(rows)  # how often an update was asked again isn't known


async def _gate(stage: Stage, run: str, *, early: bool) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            rows = await stage.rows(f"SELECT id, digest FROM approvals WHERE run = '{run}'")
            if rows:
                if not early:  # in the table it is a moment before it is in the workflow
                    await asyncio.sleep(1.0)
                return rows[0]
            await asyncio.sleep(0.05)


async def flood(stage: Stage, decisions: int) -> None:
    """One gate, and so many decisions about other arguments before the one that counts."""
    await stage.faults()
    stage.crowd.answers = False
    case = refund(f"s{stage.seed}-flood", stage.shop)
    await stage.crowd.start(case)
    gate = await _gate(stage, case.run, early=False)
    handle, slots = stage.crowd.client.get_workflow_handle(case.run), asyncio.Semaphore(50)

    def told() -> None:
        stage.figures.what["refused until the run went on as new"] += 1

    async def send(decision: dict[str, Any]) -> None:
        await persist(lambda: handle.signal("approve", decision, rpc_timeout=RPC), told=told)

    async def say(number: int) -> None:
        wrong = {"approval": gate["id"], "digest": f"{number:064x}", "by": f"nobody {number % 100}"}
        async with slots:
            await send(wrong)

    await asyncio.gather(*(say(number) for number in range(decisions - 1)))
    await send({"approval": gate["id"], "digest": gate["digest"], "by": "kim"})
    async with asyncio.timeout(600):
        await stage.crowd.until_ended(case.run)
    records = await stage.judge()
    rows = Counter(row["status"] for row in records.of("decisions", run=case.run))
    if rows != {"stale": decisions - 1, "applied": 1}:
        stage.wrong("lost", case.run, f"{decisions} decisions were sent, recorded are {dict(rows)}")
    if len(records.refunds) != 1:
        stage.wrong("doubles", case.run, f"{len(records.refunds)} refunds")
    stage.figures.what["executions"] = len(records.histories[case.run])
    stage.figures.faults += rows.total()
