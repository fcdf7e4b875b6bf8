"""`plangate guardrails`: every line of the registry, with what it said."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.guardrails.registry import ACTION, INPUT, OUTPUT
from activities.storage.engine import sqlite_url
from activities.storage.migrate import migrate
from activities.storage.store import Store
from plangate.policy import Action, Verdict
from plangate.run_status import RunResult
from plangate.runs import Outcome
from plangate.tasks import RecordTask
from workers.guardrails.commands import main


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLANGATE_DATA", str(tmp_path))
    monkeypatch.delenv("PLANGATE_DATABASE_URL", raising=False)
    ask = Verdict(action=Action.ASK, guard="action.rule", rule="scope.tools.pay", call="p")
    block = Verdict(action=Action.BLOCK, guard="run.limits", rule="limits.time")

    async def fill() -> None:
        await migrate(sqlite_url(tmp_path))
        async with await Store.open(sqlite_url(tmp_path)) as store:
            for n, said in enumerate([[ask, ask.model_copy(update={"call": "q"})], [ask, block]]):
                at = datetime.now(UTC) - timedelta(days=3 * n)
                result = RunResult(run=f"r{n}", agent="shop", outcome=Outcome.COMPLETED, verdicts=said, ended_at=at)
                await store.record(RecordTask(run=f"r{n}", result=result))

    asyncio.run(fill())
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    assert main([*args, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_every_guardrail_is_listed_with_what_it_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line["guardrail"]: line for line in said(capsys)["guardrails"]}
    assert list(lines) == [*(guard.name for guard in (*INPUT, *ACTION, *OUTPUT)), "run.limits"]
    assert lines["action.rule"]["said"] == {"ask": 3}
    assert lines["action.rule"]["rules"] == [{"rule": "scope.tools.pay", "action": "ask", "times": 3, "runs": 2}]
    assert (lines["run.limits"]["said"], lines["action.flow"]["said"]) == ({"block": 1}, {})
    newest = {line["guardrail"]: line["said"] for line in said(capsys, "--since", "2d")["guardrails"]}
    assert newest["action.rule"] == {"ask": 2}
    assert "run.limits" not in newest
    assert not any(line["said"] for line in said(capsys, "--agent", "other")["guardrails"])


def test_it_is_shown_to_people(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "action.rule" in capsys.readouterr().out
    assert main(["--rules"]) == 0
    assert "scope.tools.pay" in capsys.readouterr().out
    assert main(["--rules", "--agent", "other"]) == 0
    assert "No guardrail said anything" in capsys.readouterr().out
    assert "--since is for example" in said(capsys, "--since", "soon", code=2)["error"]["message"]
