"""The folder `agents/support` as a whole: its examples, its own tests, the orders that its pages speak of."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from activities.catalogue.loading import LoadedAgent
from plangate.agents import Limits

REPOSITORY = Path(__file__).parents[2]


def test_the_owner_sets_every_limit_and_tool(agent: LoadedAgent) -> None:
    assert set(agent.scope.tools) == set(agent.tools)
    assert agent.scope.limits.model_fields_set == set(Limits.model_fields)


def test_the_tools_name_only_settings_that_exist(agent: LoadedAgent) -> None:
    sources = "".join(text for name, text in agent.package.sources.items() if name != "services.py")
    read = set(re.findall(r"ctx\.settings\.get\(\"(\w+)\"", sources))
    assert read == set(agent.settings.settings)


def test_the_orders_that_the_pages_speak_of_exist(agent: LoadedAgent) -> None:
    data = agent.module("data")
    assert data is not None
    known = {order.order_id for order in data.KNOWN_ORDERS}
    page = (REPOSITORY / "docs" / "example-agent.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| (\d{4}) \|", page, re.MULTILINE))
    named = {
        number for example in agent.settings.examples for number in re.findall(r"\border (\d{4})\b", example, re.I)
    }
    assert named
    assert rows == known
    assert named <= known


def test_its_own_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "agents/support/tests"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
