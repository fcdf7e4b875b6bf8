"""`plangate doctor`, `setup` and `migrate`: what they find and say, against a real server and without any."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.storage.schema import NEWEST
from tests.workers.supervised import Supervised, end, environment, make_agents, up
from workers import doctor, migrate, setup
from workers.embedded import find_binary

ROOT = Path(__file__).parents[2]
Command = Callable[..., tuple[int, dict[str, Any]]]
_PROGRAMS = {"doctor": doctor.main, "setup": setup.main, "migrate": migrate.main}


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_agents(tmp_path_factory.mktemp("agents"))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, agents: Path) -> Iterator[Supervised]:
    running = up(tmp_path_factory.mktemp("system") / "data", agents)
    yield running
    end(running)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `python -m workers.MODULE --json`, in this process; returns its exit code and answer."""

    def run(module: str, *arguments: str, **settings: str) -> tuple[int, dict[str, Any]]:
        with monkeypatch.context() as patch:
            for name in set(os.environ) - set(environment()):
                patch.delenv(name)
            for name, value in settings.items():
                patch.setenv(name, value)
            code = _PROGRAMS[module](["--json", *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        return code, json.loads(out)

    return run


def findings(answer: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["finding"] for check in answer["checks"]}


def found(answer: dict[str, Any], name: str) -> str:
    return next(f"{check['found']} → {check['to_do']}" for check in answer["checks"] if check["name"] == name)


def test_a_system_that_runs(command: Command, system: Supervised) -> None:
    code, answer = command("doctor", "--data", str(system.data), PLANGATE_AGENTS=str(ROOT / "agents"))
    assert (code, answer["ok"]) == (0, True)
    assert findings(answer) == {
        "temporal": "ok", "search attributes": "ok", "worker": "warn", "database": "ok", "model": "ok",
        "credentials": "ok", "agents": "ok", "temporal program": "ok", "disk": "ok",
        # The shop's services and tables don't belong to this system.
        "mail of support": "warn", "payments of support": "warn", "shop of support": "warn",
    }  # fmt: skip
    assert "runs wait until a worker comes" in found(answer, "worker")
    assert system.ready["address"] in found(answer, "temporal")
    assert "follows rules" in found(answer, "model")


def test_nothing_runs_and_nothing_is_right(command: Command, tmp_path: Path, agents: Path) -> None:
    code, answer = command(
        "doctor", "--data", str(tmp_path / "none"), TEMPORAL_ADDRESS="127.0.0.1:9",
        PLANGATE_AGENTS=str(agents), OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:9/v1",
        PLANGATE_DATABASE_URL="postgresql://me:geheim@127.0.0.1:9/x",
    )  # fmt: skip
    assert (code, answer["ok"]) == (1, False)
    states = findings(answer)
    assert [states[name] for name in ("temporal", "database", "model", "agents")] == ["fail"] * 4
    assert "127.0.0.1:9 (from TEMPORAL_ADDRESS): connection refused" in found(answer, "temporal")
    assert "→ plangate up" in found(answer, "temporal")
    assert "tiny: " in found(answer, "agents")
    assert "no answer" in found(answer, "model")
    assert "geheim" not in json.dumps(answer)
    assert not (tmp_path / "none").exists()


def test_what_a_new_machine_lacks_is_a_warning(command: Command, tmp_path: Path) -> None:
    _, answer = command("doctor", "--data", str(tmp_path / "none"), TEMPORAL_ADDRESS="127.0.0.1:9")
    assert findings(answer)["database"] == "warn"
    assert findings(answer)["model"] == "warn"


def test_a_namespace_that_is_not_there(command: Command, system: Supervised) -> None:
    code, answer = command("doctor", TEMPORAL_ADDRESS=system.ready["address"], TEMPORAL_NAMESPACE="elsewhere")
    assert code == 1
    assert "has no namespace 'elsewhere'" in found(answer, "temporal")
    assert "temporal operator namespace create" in found(answer, "temporal")


async def test_setup_registers_once_and_doctor_sees_it(command: Command, tmp_path: Path) -> None:
    binary = find_binary()
    assert binary is not None
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=str(binary)) as server:
        where = {"TEMPORAL_ADDRESS": server.client.service_client.config.target_host}
        _, answer = await asyncio.to_thread(command, "doctor", "--data", str(tmp_path), **where)
        assert findings(answer)["search attributes"] == "fail"
        assert "plangate setup" in found(answer, "search attributes")
        code, first = await asyncio.to_thread(command, "setup", **where)
        assert (code, first["ok"], len(first["registered"])) == (0, True, 5)
        code, second = await asyncio.to_thread(command, "setup", **where)
        assert (code, second["registered"]) == (0, [])
        _, answer = await asyncio.to_thread(command, "doctor", "--data", str(tmp_path), **where)
        assert findings(answer)["search attributes"] == "ok"


def test_setup_without_a_server_says_so(command: Command) -> None:
    code, answer = command("setup", TEMPORAL_ADDRESS="127.0.0.1:9")
    assert (code, answer["type"]) == (3, "Unavailable")
    assert "no Temporal server answers at 127.0.0.1:9" in answer["message"]


def test_migrate_says_from_where_to_where(command: Command, tmp_path: Path) -> None:
    code, first = command("migrate", "--data", str(tmp_path))
    assert (code, first["before"], first["revision"]) == (0, None, NEWEST)
    code, second = command("migrate", "--data", str(tmp_path))
    assert (code, second["before"]) == (0, NEWEST)
    code, away = command("migrate", PLANGATE_DATABASE_URL="postgresql://127.0.0.1:9/x")
    assert (code, away["type"]) == (1, "Unavailable")


def test_people_get_one_line_a_check(system: Supervised) -> None:
    line = [sys.executable, "-m", "workers.doctor", "--data", str(system.data)]
    done = subprocess.run(line, check=False, capture_output=True, text=True, cwd=ROOT, env=environment())
    assert done.returncode == 0
    assert "✓ temporal " in done.stdout
    assert "Nothing fails" in done.stdout
