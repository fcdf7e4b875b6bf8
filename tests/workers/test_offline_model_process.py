"""`python -m workers.offline_model` as a process: the ready line, the banner, what it says to bad input."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workers.offline_model", *arguments]


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    started = subprocess.Popen(
        command("--port", "0", *arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        ready = json.loads(started.stdout.readline())
        assert ready["ready"] is True
        yield started, ready["base_url"]
    finally:
        started.terminate()
        started.communicate(timeout=10)


def test_it_says_when_it_is_ready_and_what_it_is() -> None:
    with process() as (started, base_url):
        health = httpx2.get(base_url.removesuffix("/v1") + "/health").json()
        assert health["model"] == "offline-1"
        assert "support" in health["agents"]
        started.send_signal(signal.SIGTERM)
        _, errors = started.communicate(timeout=10)
        assert "not a language model" in errors
        assert "Traceback" not in errors
        assert started.returncode in (0, -signal.SIGTERM)


def test_a_fault_plan_from_a_file(tmp_path: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text("faults: [{fault: unavailable, retry_after: 9}]")
    with process("--faults", str(plan), "--quiet") as (_, base_url):
        reply = httpx2.post(f"{base_url}/responses", json={"model": "m", "input": "hi"})
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "9")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_a_wrong_fault_plan(tmp_path: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text("faults: [{fault: explode}]")
    done = run("--faults", str(plan))
    assert done.returncode == 2
    assert "faults.0.fault" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_lists_mistakes(tmp_path: Path) -> None:
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing" / "offline.yaml").write_text("intents: {}\n")
    done = run("--check", "--agents", str(tmp_path))
    assert done.returncode == 2
    assert "billing/offline.yaml:1: decline: Field required" in done.stderr
    assert run("--check").returncode == 0


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "can't listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--agents"]])
def test_wrong_options(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2
