"""What an agent folder says of its dependencies: limits, preflight, health checks, and the mistakes in them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from activities.catalogue import Catalogue, load_agent
from plangate.dependency_limits import put_together
from plangate.errors import InvalidInput
from plangate.paces import ModelPace, Pace
from plangate.preflight import OnDown
from tests.activities.catalogue_folders import TOOLS, make_folder, problems_of
from workers.agents.commands import main
from workers.settings import Settings

DEPENDENT = TOOLS.replace('effect="read", ', 'effect="read", dependency="orders", ')
LIMITS = """\
title: Shop
dependencies:
  orders: {requests_per_minute: 60, at_once: 4}
  "tool:refund": {requests_per_minute: 6, burst: 2}
model: {tokens_per_minute: 200000}
preflight: {steps: 3, on_down: decline}
"""
HEALTH = """

from plangate import health


@health("orders")
async def orders_answer(ctx: ToolContext) -> None:
    return None
"""


def test_limits_preflight_and_health_checks_are_read(tmp_path: Path) -> None:
    agent = load_agent(make_folder(tmp_path, files={"agent.yaml": LIMITS, "tools.py": DEPENDENT + HEALTH}))
    assert agent.settings.dependencies["orders"] == Pace(requests_per_minute=60, at_once=4)
    assert agent.settings.model.in_words == "200,000 tokens a minute"
    assert (agent.settings.preflight.steps, agent.settings.preflight.on_down) == (3, OnDown.DECLINE)
    assert agent.health["orders"].context_parameter == "ctx"


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        ("dependencies:\n  orders: {request_per_minute: 6}\n", 2, "did you mean 'requests_per_minute'"),
        ("dependencies:\n  orders:\n    requests_per_minute: 0\n", 3, "greater than 0"),
        ("dependencies:\n  orders: {tokens_per_minute: 6}\n", 2, "unknown key 'dependencies.orders.tokens_per_minute'"),
        ("dependencies:\n  orders: {at_once: 2}\n  order: {at_once: 2}\n", 3, "no tool depends on 'order'"),
        ("dependencies:\n  orders: {requests_per_minute: 6, burst: 7}\n", 2, "`burst` is a part of"),
        ("title: x\nmodel: {tokens: 6}\n", 2, "Known are requests_per_minute"),
        ("preflight: {on_down: give up}\n", 1, "preflight.on_down"),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, wrong: str, line: int, words: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"agent.yaml": wrong, "tools.py": DEPENDENT}))
    assert (found.file, found.line) == ("agent.yaml", line)
    assert words in found.problem


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (HEALTH.replace('"orders"', '"order"'), "on which no tool depends"),
        (HEALTH.replace("async def", "def"), "has to be async"),
        (HEALTH.replace("ctx: ToolContext", "url: str"), "takes nothing, or one `ctx: ToolContext`"),
        (HEALTH + HEALTH.replace("orders_answer", "again"), "a second health check of 'orders'"),
    ],
)
def test_mistakes_of_health_checks(tmp_path: Path, wrong: str, words: str) -> None:
    (found,) = problems_of(make_folder(tmp_path, files={"tools.py": DEPENDENT + wrong}))
    assert found.file == "tools.py"
    assert words in found.problem


def test_the_lower_limit_holds_and_validate_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, rate in (("shop", 60), ("desk", 30)):
        text = f"dependencies: {{orders: {{requests_per_minute: {rate}, at_once: {rate // 10}}}}}\n"
        make_folder(tmp_path / "agents", name, files={"agent.yaml": text, "tools.py": DEPENDENT})
        (tmp_path / "agents" / name / "offline.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    code = main(["validate", "--json"])
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert code == 0
    assert "desk says 30 requests a minute, 3 at once; shop says 60 requests a minute, 6 at once" in note
    assert "holds for all: 30 requests a minute, 3 at once" in note
    agents = {name: agent.settings for name, agent in Catalogue.load([tmp_path / "agents"]).agents.items()}
    chosen = {"orders": ModelPace(requests_per_minute=90)}
    assert put_together(agents, chosen) == {"orders": ModelPace(requests_per_minute=90, at_once=3)}


def test_limits_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANGATE_LIMITS", '{"model": {"tokens_per_minute": 1000}}')
    assert Settings.load([]).limits["model"].tokens_per_minute == 1000
    for value, words in (
        ("{", "PLANGATE_LIMITS is not JSON"),
        ('{"a": {"at_onec": 1}}', "PLANGATE_LIMITS (a.at_onec)"),
    ):
        monkeypatch.setenv("PLANGATE_LIMITS", value)
        with pytest.raises(InvalidInput, match=re.escape(words)):
            Settings.load([])
