"""`plangate up` with a real Temporal server, the offline model, a companion, and a stub in the worker's place."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from temporalio.client import Client

from activities.storage.schema import NEWEST, current_revision
from tests.workers.supervised import Supervised, alive, end, eventually, launch, make_agents, up


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_agents(tmp_path_factory.mktemp("agents"))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, agents: Path) -> Iterator[Supervised]:
    """One for all tests that leave it running."""
    running = up(tmp_path_factory.mktemp("system") / "data", agents)
    yield running
    end(running)


async def test_everything_runs_and_the_worker_is_told_where(system: Supervised) -> None:
    ready, told = system.ready, system.told_worker()
    assert ready["ready"] is True
    assert ready["data"] == str(system.data)
    assert system.system.items() >= {k: v for k, v in ready.items() if k not in ("ready", "data")}.items()
    assert set(ready["pids"]) == {"supervisor", "temporal", "offline-model", "tiny-services", "worker"}
    assert all(map(alive, ready["pids"].values()))

    assert (told["TEMPORAL_ADDRESS"], told["TEMPORAL_NAMESPACE"]) == (ready["address"], "default")
    assert ready["address"].startswith("127.0.0.1:")
    assert told["PLANGATE_TINY_URL"] == ready["settings"]["PLANGATE_TINY_URL"] == "http://127.0.0.1:1"
    assert ready["model"] == {"offline": True, "base_url": told["OPENAI_BASE_URL"]}
    assert (told["OPENAI_API_KEY"], told["PLANGATE_PLAN_MODEL"]) == ("offline", "offline-1")
    assert json.loads(told["PLANGATE_MODEL_PRICES"]) == {"offline-1": {"input": 0, "output": 0}}
    assert told["PLANGATE_DATA"] == str(system.data)
    assert "127.0.0.1" in told["NO_PROXY"]
    assert ready["broken"] == system.system["broken"] == {"torn": 2}

    async with httpx2.AsyncClient(trust_env=False) as http:
        assert "<html" in (await http.get(ready["ui"])).text.lower()
    assert await current_revision(told["PLANGATE_DATABASE_URL"]) == NEWEST
    client = await Client.connect(ready["address"])
    await client.start_workflow("AgentRun", id="r1", task_queue="plangate")


async def test_what_is_killed_comes_back_where_it_was(system: Supervised) -> None:
    client = await Client.connect(system.ready["address"])
    await client.start_workflow("AgentRun", id="kept", task_queue="plangate")
    system.kill_and_wait("worker")
    system.kill_and_wait("temporal")
    system.kill_and_wait("offline-model")
    assert system.system["address"] == system.ready["address"]
    again = await Client.connect(system.ready["address"])
    assert (await again.get_workflow_handle("kept").describe()).id == "kept"


def test_a_companion_that_comes_back_elsewhere_is_told_to_the_worker(system: Supervised) -> None:
    system.kill_and_wait("tiny-services")
    eventually(
        lambda: system.told_worker()["PLANGATE_TINY_URL"] == "http://127.0.0.1:2", "the worker knows the new address"
    )
    assert system.system["settings"] == {"PLANGATE_TINY_URL": "http://127.0.0.1:2"}


def test_three_lives_on_one_folder(tmp_path: Path, agents: Path) -> None:
    data = tmp_path / "data"
    first = up(data, agents)
    pids = first.pids
    assert first.stop(signal.SIGINT) == 0
    assert not any(map(alive, pids.values()))
    assert not (data / "system.json").exists()

    second = up(data, agents)
    assert [second.ready[name] for name in ("address", "ui", "model")] == [
        first.ready[name] for name in ("address", "ui", "model")
    ]
    pids = second.pids
    second.process.kill()
    eventually(lambda: not any(map(alive, pids.values())), "nothing is left of a supervisor that was killed")

    third = up(data, agents, "--until-eof")
    pids = third.pids
    assert third.ready["address"] == first.ready["address"]
    assert third.process.stdin is not None
    third.process.stdin.close()
    assert third.process.wait(60) == 0
    assert not any(map(alive, pids.values()))


def test_a_second_one_on_the_folder_is_told_so(system: Supervised, agents: Path) -> None:
    second = launch(system.data, agents)
    out, _ = second.communicate(timeout=60)
    answer = json.loads(out)
    assert second.returncode == 1
    assert answer["ready"] is False
    assert f"already (process {system.pids['supervisor']})" in answer["error"]["message"]
    assert alive(system.pids["worker"])


def test_neither_a_taken_port_nor_a_broken_companion_stops_it(tmp_path: Path) -> None:
    folder = make_agents(tmp_path)
    (folder / "tiny" / "services.py").write_text("raise SystemExit('no payments today')")
    data = tmp_path / "data"
    data.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (data / "ports.json").write_text(json.dumps({"temporal": port, "ui": port, "model": port, "health": port}))
        running = up(data, folder)
        try:
            assert not running.ready["address"].endswith(f":{port}")
            assert f":{port}" not in running.ready["ui"] + running.ready["model"]["base_url"]
            assert running.ready["settings"] == {}
            assert "no payments today" in running.log("tiny-services")
        finally:
            end(running)


def test_a_server_and_a_model_that_are_configured_are_used(system: Supervised, tmp_path: Path, agents: Path) -> None:
    other = up(
        tmp_path / "other", agents,
        TEMPORAL_ADDRESS=system.ready["address"], OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="mine",
    )  # fmt: skip
    try:
        told = other.told_worker()
        assert other.ready["address"] == told["TEMPORAL_ADDRESS"] == system.ready["address"]
        assert other.ready["model"] == {"offline": False, "base_url": "http://127.0.0.1:9/v1"}
        assert told["OPENAI_API_KEY"] == "mine"
        assert "PLANGATE_PLAN_MODEL" not in told
        assert set(other.pids) == {"supervisor", "tiny-services", "worker"}
        assert "mine" not in (other.data / "system.json").read_text()
    finally:
        end(other)
    assert alive(system.pids["temporal"])


def test_no_server_to_be_had_is_said_with_what_to_do(tmp_path: Path, agents: Path) -> None:
    process = launch(tmp_path / "data", agents, TEMPORAL_ADDRESS="127.0.0.1:9")
    out, _ = process.communicate(timeout=60)
    answer = json.loads(out)
    assert process.returncode == 1
    assert "no Temporal server answers at 127.0.0.1:9 (from TEMPORAL_ADDRESS)" in answer["error"]["message"]
    assert not (tmp_path / "data" / "system.json").exists()
