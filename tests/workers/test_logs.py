"""A worker's log."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from workers.logs import configure_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_under_the_log_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Full())
        configure_logs("info")
        structlog.get_logger("a full disk").error("an effect happened")


def test_lines_are_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        configure_logs("info")
        structlog.get_logger("a file").info("tool call", run="r")
        structlog.get_logger("a file").debug("too much")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith('{"run": "r", "event": "tool call", "level": "info"')
