from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

STAGES = ["setup", "lint", "types", "contracts", "test"]


def run_ci(tmp_path: Path, repository: Path, failing: str) -> tuple[int, str, list[str]]:
    """Run .ci/run with a `make` that notes its target and fails for one of them."""
    clone = tmp_path / "a clone"
    (clone / ".ci").mkdir(parents=True)
    shutil.copy(repository / ".ci/run", clone / ".ci/run")
    make = tmp_path / "bin/make"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\npwd >> "{tmp_path}/where"\necho "$1" >> "{tmp_path}/calls"\n[ "$1" != "{failing}" ]\n')
    make.chmod(0o755)
    done = subprocess.run(
        ["bash", str(clone / ".ci/run")],
        env={**os.environ, "PATH": f"{make.parent}:{os.environ['PATH']}", "CI": "true"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert set((tmp_path / "where").read_text().splitlines()) == {str(clone)}
    return done.returncode, done.stdout, (tmp_path / "calls").read_text().split()


def test_all_stages_run_and_pass(tmp_path: Path, repository: Path) -> None:
    code, output, calls = run_ci(tmp_path, repository, failing="nothing")
    assert (code, calls) == (0, STAGES)
    assert "CI passed" in output


@pytest.mark.parametrize("failing", STAGES[1:])
def test_a_failing_stage_fails_the_run_but_hides_no_other(tmp_path: Path, repository: Path, failing: str) -> None:
    code, output, calls = run_ci(tmp_path, repository, failing)
    assert (code, calls) == (1, STAGES)
    assert output.splitlines()[-1].endswith({"test": "tests"}.get(failing, failing))


def test_nothing_else_runs_without_an_environment(tmp_path: Path, repository: Path) -> None:
    code, _, calls = run_ci(tmp_path, repository, failing="setup")
    assert (code, calls) == (1, ["setup"])
