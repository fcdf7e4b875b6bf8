"""What the deployment's tests share: the repository, uv, an environment without a home."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that the Makefile set up, else one from PATH."""
    for candidate in (os.environ.get("PLANGATE_UV"), shutil.which("uv"), str(REPOSITORY / ".bootstrap/bin/uv")):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    pytest.skip("needs uv: run through `make test`, or `make setup` first")


@pytest.fixture
def bare_environment(tmp_path: Path, uv: str) -> dict[str, str]:
    """The environment of a new machine: an empty home, nothing of this project's; uv's cache is kept to be quick."""
    home = tmp_path / "home"
    home.mkdir()
    ours = ("PLANGATE_", "TEMPORAL_", "OPENAI_", "UV_PROJECT", "VIRTUAL_ENV", "PYTHON", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    cache = subprocess.run([uv, "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    return environment | {"HOME": str(home), "UV_CACHE_DIR": cache, "PATH": f"{Path(uv).parent}:{os.environ['PATH']}"}
