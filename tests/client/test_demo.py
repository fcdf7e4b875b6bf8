from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from client.demo import customer, isolate, make_fresh
from tests.client.conftest import cli_environment, run_cli, until


async def test_the_demo_in_a_pipe_sends_the_approval_from_a_second_process_and_ends_everything(tmp_path: Path) -> None:
    ended = await run_cli("demo", env={"PLANGATE_DATA": str(tmp_path), "TEMPORAL_ADDRESS": "127.0.0.1:1"}, seconds=180)
    assert ended.code == 0, ended.out + ended.err
    assert "the offline model" in ended.out
    assert "Waiting for approval" in ended.out
    assert "--signal --as 'demo (no terminal)'" in ended.out
    assert "Completed" in ended.out
    assert "/namespaces/default/workflows/support-" in ended.out
    assert (
        max(len(line) for line in ended.out.splitlines() if "plangate approve" not in line and "http" not in line) <= 80
    )
    assert not (tmp_path / "demo" / "system.json").exists()


async def test_a_demo_that_is_told_to_end_takes_its_children_along(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).parent / "plangate"), "demo"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=cli_environment({"PLANGATE_DATA": str(tmp_path)}),
    )
    system = tmp_path / "demo" / "system.json"

    async def up() -> bool:
        return system.exists()

    await until(up, seconds=90)
    pids = json.loads(system.read_text(encoding="utf-8"))["pids"]
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in out.decode()
    assert not system.exists()
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_demo_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("a file is in the way", encoding="utf-8")
    ended = await run_cli("demo", env={"PLANGATE_DATA": str(tmp_path)})
    assert ended.code != 0
    assert "can't be used" in ended.err
    assert "Traceback" not in ended.err


def test_the_sentence_is_its_customers() -> None:
    assert customer("Where is order 1060?") == "imani.vale@example.com"
    assert customer("9999? 1051!") == "tobias.fenn@example.com"
    assert customer("hello") == "rosa.amsel@example.com"


def test_a_demo_starts_fresh_but_leaves_what_ends_old_processes(tmp_path: Path) -> None:
    make_fresh(tmp_path / "none")
    (tmp_path / "up.lock").touch()
    (tmp_path / "system.json").write_text("{}", encoding="utf-8")
    (tmp_path / "temporal.db").touch()
    (tmp_path / "support").mkdir()
    (tmp_path / "support" / "shop.db").touch()
    make_fresh(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"up.lock", "system.json"}


def test_what_is_configured_for_real_work_does_not_reach_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "PLANGATE_DATABASE_URL"):
        monkeypatch.setenv(name, "real")
    isolate(tmp_path)
    assert "TEMPORAL_ADDRESS" not in os.environ
    assert "PLANGATE_DATABASE_URL" not in os.environ
    assert os.environ["TEMPORAL_CONFIG_FILE"] != "real"
