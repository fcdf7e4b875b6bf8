"""Faults that nobody enabled: no process starts with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from activities.injection.enabling import CONSENT, ENABLED_VARIABLE, FAULTS_VARIABLE
from plangate.errors import InvalidInput
from workers import worker
from workers.checks import Finding, Surroundings, check_faults
from workers.offline_model import __main__ as offline_model
from workers.supervisor.folder import DataFolder
from workers.supervisor.system import Options, System


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "faults.yaml"
    path.write_text("faults: [{fault: refusal}]")
    monkeypatch.setenv(FAULTS_VARIABLE, str(path))
    monkeypatch.setattr("sys.argv", ["plangate"])
    monkeypatch.setattr(worker, "configure_logs", lambda level: None)  # it is for a whole process
    return path


async def test_no_process_starts(plan: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert offline_model.main(["--port", "0"]) == 2
    assert f"set {ENABLED_VARIABLE}={CONSENT}" in capsys.readouterr().err
    system = System(DataFolder(tmp_path / "data"), Options(), say=print, environ=os.environ)
    with pytest.raises(InvalidInput, match=ENABLED_VARIABLE):
        await system.start()


def test_no_worker_starts(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert worker.main() == 2
    assert ENABLED_VARIABLE in capsys.readouterr().err


def test_a_worker_knows_which_tools_there_are(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ENABLED_VARIABLE, CONSENT)
    plan.write_text("faults: [{dependency: get_odrer, fault: bug}]")
    assert worker.main() == 2
    assert "'get_odrer' isn't known here; allowed: model, payments, mail, database, worker" in capsys.readouterr().err


def test_the_doctor_says_so(plan: Path, tmp_path: Path) -> None:
    def findings(**environ: str) -> list[Finding]:
        return [check.finding for check in check_faults(Surroundings(tmp_path, environ))]

    assert findings() == []
    assert findings(**{FAULTS_VARIABLE: str(plan)}) == [Finding.FAIL]
    assert findings(**{FAULTS_VARIABLE: str(plan), ENABLED_VARIABLE: CONSENT}) == [Finding.WARN]
    (tmp_path / "system.json").write_text('{"faults": "storm.yaml"}')
    assert findings() == [Finding.WARN]
