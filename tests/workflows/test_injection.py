"""Kill points around workflows: while a gate waits, and in handlers of decisions; their code knows nothing of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.injection import dying
from activities.injection.injector import Injector, read_journal
from plangate.faultplan import FaultPlan, FaultRule
from plangate.runs import Outcome
from tests.workflows.desk import desk, pending, result_of
from workers import injection

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAY = {"steps": [{"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}]}


async def test_where_a_worker_could_die(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    struck, at_gate = [], threading.Event()

    def strike(rule: FaultRule) -> None:
        struck.append(rule.call)
        if rule.call == "waiting-at-gate":
            at_gate.set()

    monkeypatch.setattr(dying, "strike", strike)
    monkeypatch.setattr(injection, "strike", strike)
    rules: list[dict[str, Any]] = [
        {"dependency": "worker", "call": point, "fault": "kill", "seconds": 0, "match": {"run": "chosen"}}
        for point in ("waiting-at-gate", "in-signal-handler", "before-completion")
    ]
    plan = FaultPlan(faults=[FaultRule.model_validate(rule) for rule in rules])
    injector = Injector(plan, tmp_path / "journal")
    async with desk(client, tmp_path, injector=injector) as system:
        for run in ("other", "chosen"):
            system.model.script("Paid.")
            handle = await system.start(plan=PAY, id=run)
            (gate,) = await pending(handle)
            assert run == "other" or at_gate.wait(10)
            await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})
            assert (await result_of(handle)).outcome is Outcome.COMPLETED
    assert struck == ["waiting-at-gate", "in-signal-handler", "before-completion"]
    entries = read_journal(tmp_path / "journal")
    assert [(entry["call"], entry["about"]["run"]) for entry in entries] == [(point, "chosen") for point in struck]
