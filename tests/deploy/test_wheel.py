from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging


def run(*command: str | Path, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_wheel_works_in_an_environment_of_its_own(
    repository: Path, tmp_path: Path, uv: str, bare_environment: dict[str, str]
) -> None:
    dist, venv, elsewhere = tmp_path / "dist", tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = bare_environment | {"UV_PYTHON_DOWNLOADS": "never"}
    run(
        uv,
        "build",
        "--wheel",
        "--python",
        sys.executable,
        "--out-dir",
        dist,
        folder=repository,
        environment=environment,
    )
    (wheel,) = dist.glob("plangate-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "agents/", "."))]

    locked = run(
        *(uv, "export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes"),
        folder=repository,
        environment=environment,
    )
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(locked, encoding="utf-8")
    run(uv, "venv", "--python", sys.executable, venv, folder=elsewhere, environment=environment)
    install = (uv, "pip", "install", "--python", venv, "--constraint", constraints, wheel)
    run(*install, folder=elsewhere, environment=environment)

    assert "worker" in run(venv / "bin/plangate", "--help", folder=elsewhere, environment=environment)
    assert "support" in run(venv / "bin/plangate", "agents", "list", folder=elsewhere, environment=environment)
    shutil.rmtree(venv)  # a quarter of a gigabyte that pytest would keep
