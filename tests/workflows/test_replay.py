"""Running workflows survive a change of the code: every stored history still replays."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from plangate.temporal import PlangatePlugin
from workflows.agent_run import AgentRun

HISTORIES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "histories").glob("*.json"))}


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("strict", [pytest.param(True, id="strict"), pytest.param(False, id="worker")])
async def test_a_stored_history_replays(name: str, strict: bool) -> None:
    history = WorkflowHistory.from_json(name, HISTORIES[name])
    replayer = Replayer(workflows=[AgentRun], plugins=[PlangatePlugin(strict=strict)])
    await replayer.replay_workflow(history)


def test_there_are_histories_of_every_kind() -> None:
    names = {name.split("-")[0] for name in HISTORIES}
    assert names >= {
        "planned",
        "approved",
        "edited_and_rejected",
        "revised",
        "lists",
        "failed",
        "cancelled",
        "continued",
    }
