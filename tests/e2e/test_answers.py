"""The example's requests, answered by the offline model: output guardrails have nothing against them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from tests.e2e.host import ROOT, Host

EXAMPLES: list[str] = yaml.safe_load((ROOT / "agents" / "support" / "agent.yaml").read_text("utf-8"))["examples"]


def answered(host: Host, number: int) -> dict[str, Any]:
    """A run of an example, with every gate approved."""
    run = f"example-{number}"
    host.cli("run", "support", EXAMPLES[number], "--id", run, "--no-watch", "--json")
    while True:
        status = host.ask(run, "status", lambda status: status.get("pending") or status.get("phase") == "ended")
        if status.get("phase") == "ended":
            found: dict[str, Any] = json.loads(host.cli("show", run, "--json").out)
            return found
        for gate in status.get("pending", []):
            host.cli("approve", gate["id"], "--as", "ada")


def test_the_examples_are_answered_untouched_and_with_full_confidence(host: Host) -> None:
    with ThreadPoolExecutor(4) as pool:
        for request, shown in zip(EXAMPLES, pool.map(lambda n: answered(host, n), range(len(EXAMPLES))), strict=True):
            result = shown["result"]
            assert result["outcome"] == "completed", request
            assert [v for v in result["verdicts"] if v["guard"].startswith("output.")] == [], request
            assert (result["confidence"], result["doubts"]) == (1.0, []), request
