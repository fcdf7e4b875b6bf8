"""The pages say what is there: links lead somewhere, and commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from client.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1 *$", re.M | re.S)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[\s`(/])plangate ((?:[a-z][a-z|-]*)(?: [a-z|]+)?)")
OF_GROUPS = {"agents": {"list", "show", "validate", "new"}, "plan": {"validate"}}
"""Second words of commands that are programs of their own."""


def names() -> set[str]:
    found = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    return {name.replace("_", "-") for name in found}


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """As GitHub makes them: lower case, without signs, spaces as dashes."""
    headings = re.findall(r"^#{1,6} +(.*?) *$", prose(page), re.M)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def commands(text: str) -> Iterator[str]:
    """What follows `plangate` in blocks that show commands and in code within sentences."""
    blocks = "\n".join(body for _, language, body in FENCE.findall(text) if language != "python")
    spans = "\n".join(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))
    yield from COMMAND.findall("\n".join(line.split("#")[0] for line in f"{blocks}\n{spans}".splitlines()))


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} leads nowhere"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_exist(page: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        first, _, second = command.partition(" ")
        for name in first.split("|"):
            assert name in names(), f"there is no command `plangate {name}`"
        if first in OF_GROUPS:
            assert set(second.split("|")) <= OF_GROUPS[first] | {""}, f"there is no command `plangate {command}`"


def test_commands_are_found() -> None:
    text = (
        "`plangate nope X`\n```sh\nplangate  # nothing\n.venv/bin/plangate agents list|rob --json\n```\nplangate prose"
    )
    assert list(commands(text)) == ["agents list|rob", "nope"]


@pytest.mark.parametrize("command", [[group, name] for group, found in OF_GROUPS.items() for name in found])
def test_second_words_exist(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "client.cli", *command, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_index_has_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(prose(index))}
    missing = set((ROOT / "docs").glob("*.md")) - linked - {index}
    assert not missing


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "adr"
    linked = set(LINK.findall(prose(folder / "README.md")))
    assert linked == {page.name for page in folder.glob("[0-9]*.md")}


def test_the_agent_of_the_readme_is_right(tmp_path: Path) -> None:
    from activities.catalogue.loading import load_agent

    blocks = re.findall(
        r"^```(markdown|python)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    folder = tmp_path / "invoices"
    folder.mkdir()
    for kind, body in blocks:
        (folder / {"markdown": "scope.md", "python": "tools.py"}[kind]).write_text(body, encoding="utf-8")
    (folder / "agent.yaml").write_text("title: Invoices\n", encoding="utf-8")
    (folder / "bank.py").write_text("async def pay(invoice, amount, *, key): return key\n", encoding="utf-8")
    agent = load_agent(folder)
    assert agent.verdict("pay_invoice", {"invoice": "7", "amount": 99.0}).action.value == "allow"
    assert agent.verdict("pay_invoice", {"invoice": "7", "amount": 100.0}).action.value == "ask"


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*")), ids=lambda path: path.name)
def test_pictures_are_small(picture: Path) -> None:
    assert picture.suffix == ".png"
    assert picture.stat().st_size < 300 * 1024
