from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

RECORD_ARGUMENTS = """#!/bin/sh
for argument in "$@"; do printf '%s\\0' "$argument"; done > arguments
"""


@pytest.fixture
def checkout(tmp_path: Path, repository: Path) -> Path:
    """A checkout that is already set up, whose `plangate` only notes its arguments."""
    checkout = tmp_path / "check out"
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".bootstrap").mkdir()
    makefile = shutil.copy(repository / "Makefile", checkout)
    version = re.search(r"^UV_VERSION := (.+)$", Path(makefile).read_text(), re.MULTILINE)
    assert version
    for order, name in enumerate(
        ["pyproject.toml", "uv.lock", f".bootstrap/uv-{version[1]}", ".venv/.synced", ".venv/bin/plangate"]
    ):
        path = checkout / name
        path.write_text(RECORD_ARGUMENTS if name.endswith("plangate") else "")
        os.utime(path, (1_000_000 + order, 1_000_000 + order))
    (checkout / ".venv/bin/plangate").chmod(0o755)
    return checkout


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "REQUEST", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def arguments_of_plangate(checkout: Path) -> list[str]:
    return (checkout / "arguments").read_text().split("\0")[:-1]


REQUESTS = [
    "Where is my order?",
    "It's order #1007, isn't it?",
    'He said "refund $5" or $(shell touch owned) and ${HOME} and $$ and `touch owned`',
    "--help",
    "two\nlines; touch owned # and a \\ at the end\\",
    "Grüße, 100 % équitable 🎁",
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_reaches_the_demo_as_it_was_typed(checkout: Path, request_: str) -> None:
    done = make(checkout, "demo", f"REQUEST={request_}")
    assert done.returncode == 0, done.stderr
    assert arguments_of_plangate(checkout) == ["demo", "--", request_]
    assert not (checkout / "owned").exists()


def test_a_request_from_the_environment(checkout: Path) -> None:
    assert make(checkout, "demo", REQUEST="It's $5").returncode == 0
    assert arguments_of_plangate(checkout) == ["demo", "--", "It's $5"]


def test_the_demo_without_a_request(checkout: Path) -> None:
    assert make(checkout, "demo").returncode == 0
    assert arguments_of_plangate(checkout) == ["demo"]


def test_make_alone_lists_every_target(checkout: Path) -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) +\S", make(checkout).stdout, re.MULTILINE))
    assert listed >= {"help", "setup", "demo", "test", "check", "format", "bench", "wheel", "clean"}
    assert listed == set(re.findall(r"^\.PHONY: (\S+)$", (checkout / "Makefile").read_text(), re.MULTILINE))


def test_without_a_usable_python_it_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".bootstrap")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "make", "echo", "rm", "touch"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make(checkout, "setup", PATH=str(tools))
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr
    assert "python3-venv" in done.stderr
    assert not (checkout / ".bootstrap").exists()


def test_nothing_is_set_up_again_until_the_lock_file_changes(checkout: Path) -> None:
    uv = checkout / ".bootstrap/bin/uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\necho "$@" >> uv-calls\n')
    uv.chmod(0o755)
    assert make(checkout, "setup").returncode == 0
    assert not (checkout / "uv-calls").exists()
    (checkout / "uv.lock").touch()
    for _ in range(2):
        assert make(checkout, "-j4", "setup").returncode == 0
    assert (checkout / "uv-calls").read_text() == "sync --frozen --quiet --all-extras\n"
