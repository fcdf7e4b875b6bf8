"""What `plangate up` says to people."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.supervisor.environment import SystemState, broken_agents
from workers.supervisor.report import Report


def said(capsys: pytest.CaptureFixture[str], broken: dict[str, int], agents: Path) -> str:
    system = SystemState(address="127.0.0.1:7233", ui="http://127.0.0.1:8233", broken=broken).as_json({})
    Report(as_json=False).ready(system, Path("/data"), agents)
    return capsys.readouterr().out


def test_agents_that_are_not_served_are_named_with_the_command_that_tells_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = said(capsys, {"torn": 2, "odd": 1}, tmp_path / "agents")
    assert "Not served: odd (1 mistake), torn (2 mistakes)" in shown
    assert "plangate agents validate torn\n" in shown
    elsewhere = said(capsys, {"torn": 2}, Path("/my agents"))
    assert "plangate agents validate torn --agents '/my agents'" in elsewhere
    assert "Not served" not in said(capsys, {}, tmp_path / "agents")


def test_what_to_try_is_an_agent_that_is_served(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "agent.yaml").write_text(f"examples: [Ask {name}.]\n", encoding="utf-8")
    assert "plangate run good 'Ask good.'" in said(capsys, {"bad": 1}, tmp_path)


def test_what_a_worker_says_about_broken_agents_may_be_missing_or_wrong() -> None:
    assert broken_agents({"ready": True, "broken": {"torn": 2}}) == {"torn": 2}
    assert broken_agents({"ready": True}) == broken_agents({"broken": ["torn"]}) == {}
    assert broken_agents({"broken": {"torn": "many"}}) == {}
