"""The data folder: one owner, remembered ports, what is published, what was left behind."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plangate.errors import InvalidInput
from tests.workers.supervised import alive
from workers.supervisor.folder import DataFolder, process_birth


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data")
    folder.take()
    yield folder
    folder.release()


def test_a_folder_has_one_owner(folder: DataFolder) -> None:
    with pytest.raises(InvalidInput, match=f"runs on the data folder .* already .process {os.getpid()}."):
        DataFolder(folder.path).take()
    folder.release()
    again = DataFolder(folder.path)
    again.take()
    again.release()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="can't be used"):
        DataFolder(tmp_path / "file" / "data").take()


def test_the_folder_is_for_its_owner_only(folder: DataFolder) -> None:
    folder.publish({"pids": {}})
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.path / "system.json").stat().st_mode) == 0o600


def test_ports_are_remembered_and_a_broken_file_is_none(folder: DataFolder) -> None:
    assert folder.ports() == {}
    folder.remember_ports({"temporal": 7233})
    folder.remember_ports({"ui": 8233})
    assert DataFolder(folder.path).ports() == {"temporal": 7233, "ui": 8233}
    (folder.path / "ports.json").write_text('{"temporal": "x"')
    assert folder.ports() == {}


def test_children_of_a_previous_life_are_ended_and_nobody_else(folder: DataFolder) -> None:
    stay = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]  # ends with this test at the latest
    with subprocess.Popen(stay, stdin=-1) as ours, subprocess.Popen(stay, stdin=-1) as stranger:
        folder.publish(
            {"address": "127.0.0.1:1", "pids": {"worker": ours.pid, "temporal": stranger.pid, "gone": 2**22}}
        )
        system = json.loads((folder.path / "system.json").read_text())
        system["births"]["temporal"] = "another process had this number"
        (folder.path / "system.json").write_text(json.dumps(system))
        assert folder.leftovers() == {"worker": ours.pid}
        assert folder.end_leftovers() == {"worker": ours.pid}
        assert not alive(ours.pid)
        assert alive(stranger.pid)
        assert not (folder.path / "system.json").exists()
        stranger.kill()


def test_a_broken_system_file_has_no_leftovers(folder: DataFolder) -> None:
    for text in ("", "[]", '{"pids": 3}', '{"pids": {"a": "b"}, "births": {"a": "1"}}'):
        (folder.path / "system.json").write_text(text)
        assert folder.end_leftovers() == {}


def test_a_process_has_one_birth() -> None:
    assert process_birth(os.getpid()) == process_birth(os.getpid()) is not None
    assert process_birth(2**22) is None
