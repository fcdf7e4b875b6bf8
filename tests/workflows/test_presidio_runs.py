"""A run whose answer Presidio reads: real server, real worker, real presidio-analyzer over a pipeline made here."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.guardrails.presidio.analysing import Analyser, PresidioFailed
from plangate.policy import Action
from plangate.runs import Outcome
from tests.presidio_models import ruled
from tests.workflows.desk import AGENTS, desk
from workers.guardrails.commands import main as guardrails

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROWS = "\n## Guardrails\n\n| Guardrail | Setting |\n|---|---|\n| Found by Presidio | PERSON |\n"
ORDER = {"email": "kim@example.com", "name": "Kim Larsen"}
PLAN = {"steps": [{"id": "a", "tool": "look", "args": {"value": ORDER}}]}


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """The test desk, which wants names taken out."""
    folder = tmp_path / "agents" / "desk"
    shutil.copytree(AGENTS / "desk", folder, ignore=shutil.ignore_patterns("__pycache__"))
    ruled(folder / "models" / "en", PERSON=["Kim Larsen", "Tom Baker"])
    with (folder / "scope.md").open("a") as scope:
        scope.write(ROWS)
    with (folder / "agent.yaml").open("a") as settings:
        settings.write("presidio:\n  models: {en: ./models/en}\n")
    return folder.parent


async def test_a_strangers_name_is_taken_out_of_an_answer_and_counted(
    client: Client, tmp_path: Path, agents: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(client, tmp_path, agents=agents) as system:
        system.model.script("Kim Larsen, your parcel is with Tom Baker.")
        result = await system.run(plan=PLAN, user="kim@example.com")
        assert result.answer == "Kim Larsen, your parcel is with [name removed]."
        assert [(each.guard, each.rule, each.action) for each in result.verdicts] == [
            ("output.personal", "pii.presidio.person", Action.CHANGE)
        ]
        assert "Baker" not in result.model_dump_json()
        monkeypatch.setenv("PLANGATE_DATABASE_URL", f"sqlite:///{tmp_path / 'plangate.db'}")
        assert await asyncio.to_thread(guardrails, ["--rules", "--json"]) == 0
    assert "pii.presidio.person" in capsys.readouterr().out


async def test_when_presidio_fails_the_answer_isnt_shown(
    client: Client, tmp_path: Path, agents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise PresidioFailed("Presidio could not read a text")

    async with desk(client, tmp_path, agents=agents) as system:
        monkeypatch.setattr(Analyser, "find", fail)
        system.model.script("Your parcel is with Tom Baker.")
        result = await system.run(plan=PLAN, user="kim@example.com")
    assert result.outcome is Outcome.DEGRADED
    assert {(each.rule, each.action) for each in result.verdicts} == {("output.personal.failed", Action.BLOCK)}
    assert "Baker" not in result.model_dump_json()
    assert "could not be checked" in result.answer  # nor could the plain answer, which says what was done
