"""One system for all end-to-end tests, with the example agent and one that is broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import ROOT, Host, running_host


@pytest.fixture(scope="session")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("e2e-agents")
    shutil.copytree(ROOT / "agents" / "support", folder / "support", ignore=shutil.ignore_patterns("__pycache__"))
    broken = folder / "broken"
    broken.mkdir()
    (broken / "agent.yaml").write_text("title: Broken\nnonsense: 1\n", encoding="utf-8")
    (broken / "scope.md").write_text("# Broken\n\n## Tools\n\n| Tool | What it does | When |\n|---|---|---|\n", "utf-8")
    (broken / "tools.py").write_text("def half(\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory, agents: Path) -> Iterator[Host]:
    with running_host(tmp_path_factory.mktemp("e2e"), agents) as running:
        yield running
