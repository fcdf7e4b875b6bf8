"""The storm of a game day: the same for the same seed, and told in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.render.text import make_console
from client.storm.happenings import Happening, Kind
from client.storm.telling import in_words, tell
from client.storm.verdict import print_verdict
from client.storm.weather import make_weather
from plangate.faultplan_file import parse_fault_plan
from tests.client.conftest import run_cli

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)


def test_a_seed_is_a_storm_that_the_processes_can_read(tmp_path: Path) -> None:
    storms = [make_weather(seed) for seed in range(60)]
    assert storms == [make_weather(seed) for seed in range(60)]
    points = {rule.call for storm in storms for rule in storm.plan.faults if rule.dependency == "worker"}
    assert points == {"after-intent", "after-effect", "after-commit", "before-completion"}
    assert {storm.server_dies_after[0] for storm in storms} == {"payments", "mail"}
    for storm in storms:
        text = storm.write(tmp_path).read_text(encoding="utf-8")
        assert parse_fault_plan(text, source="x") == storm.plan


PLAN = make_weather(7).plan


@pytest.mark.parametrize(
    ("kind", "who", "about", "words"),
    [
        (Kind.BROKE, "payments", {"rule": 2, "call": "refund", "fault": "effect_then_timeout"}, "never answers"),
        (Kind.BROKE, "worker", {"rule": 3, "call": "after-effect", "fault": "kill"}, "the money was out"),
        (Kind.BROKE, "temporal", {"fault": "kill"}, "the server is killed"),
        (Kind.COPED, "worker", {"back": True, "seconds": 2.34}, "after 2.3 s and replays the run"),
        (
            Kind.COPED,
            "refund_payment",
            {"attempt": 2, "wait": 0.8, "silent": False, "message": "refund_payment failed: refund of order '1': busy"},
            "attempt 2 in 0.8 s, under the same key: busy",
        ),
        (Kind.COPED, "send_email", {"attempt": 3, "wait": 0, "silent": True, "message": "x"}, "no heartbeat"),
        (Kind.WENT_ON, "ended", {"text": "completed", "step": None}, "outcome: completed"),
    ],
)
def test_in_words(kind: Kind, who: str, about: dict[str, Any], words: str) -> None:
    assert words in in_words(Happening(NOW, kind, who, about), PLAN)[1]


def test_lines_fit_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = make_console(width=80)
    happening = Happening(
        NOW + timedelta(seconds=3), Kind.WENT_ON, "failed", {"text": "because " * 40, "step": "refund"}
    )
    tell(out, happening, NOW, PLAN)
    print_verdict(out, {"holds": False, "findings": [{"name": "n", "ok": False, "found": "f"}]}, broke=6, seed=7)
    told = capsys.readouterr().out
    assert told.startswith("   3.0 s ")
    assert "do not hold" in told
    assert max(map(len, told.splitlines())) <= 80


async def test_a_seed_without_a_storm_is_a_mistake() -> None:
    ended = await run_cli("demo", "--seed", "3")
    assert ended.code == 2
    assert "add --faults" in ended.err
