"""Starting, watching and steering runs; requests and plans that can't be served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.host import Host


def test_watching_in_a_pipe_ends_with_the_outcomes_exit_code(host: Host) -> None:
    asked = host.cli("run", "support", "Where is my order 1060?", "--user", "imani.vale@example.com", "--id", "where")
    assert asked.code == 0
    assert "1060" in asked.out
    assert "Completed" in asked.out
    assert f"{host.facts['ui']}/namespaces/default/workflows/where" in asked.out
    again = host.cli("run", "support", "Where is my order 1060?", "--id", "where", "--no-watch", "--json")
    assert again.json["created"] is False
    declined = host.cli("run", "support", "Write me a poem about the sea.", "--json")
    assert (declined.code, declined.json["outcome"]) == (10, "declined")
    assert declined.json["answer"]


def test_the_request_may_come_from_standard_input(host: Host) -> None:
    asked = host.cli(
        *("run", "support", "-", "--user", "imani.vale@example.com", "--json"),
        input="How long may I return a teapot?\n",
    )
    assert (asked.code, asked.json["outcome"]) == (0, "completed")


@pytest.mark.parametrize(
    ("request_", "said"),
    [("", "empty"), ("   \n ", "empty"), ("x" * 4001, "4,000"), ("hello \x00\x01", "")],
    ids=["nothing", "blank", "too long", "control characters"],
)
def test_requests_that_are_no_requests_are_answered(host: Host, request_: str, said: str) -> None:
    ended = host.cli("run", "support", "-", "--json", input=request_)
    assert ended.code in (2, 10, 13), ended.all
    assert said in ended.all


def test_an_unknown_agent_is_told_the_nearest(host: Host) -> None:
    ended = host.cli("run", "suport", "Where is my order 1060?")
    assert ended.code in (4, 13)
    assert "'support'" in ended.all


def test_a_broken_agent_says_what_is_wrong_with_it(host: Host) -> None:
    ended = host.cli("run", "broken", "hello", "--json")
    assert (ended.code, ended.json["error"]["type"]) == (13, "BrokenAgent")
    assert "plangate agents validate broken" in ended.json["error"]["message"]
    mistakes = "\n".join(ended.json["error"]["details"])
    assert "`plangate agents validate broken`" in " ".join(host.cli("run", "broken", "hello").out.split())
    assert "tools.py:1" in mistakes
    assert "agent.yaml:2" in mistakes


def test_a_run_that_waits_is_paused_resumed_and_cancelled(host: Host) -> None:
    case, run, gate = host.waiting()
    assert host.cli("pause", run, "--as", "ada").code == 0
    host.ask(run, "status", lambda status: status["phase"] == "paused")
    assert host.cli("approve", gate["id"], "--as", "ada").code == 0
    assert "paused" in host.cli("show", run).out
    assert host.refunds(case) == []
    assert host.cli("resume", run, "--as", "ada", "--json").json == {"run": run, "action": "resume", "sent": True}
    assert host.outcome(run)["outcome"] == "completed"
    assert len(host.refunds(case)) == 1

    case, run, gate = host.waiting()
    assert host.cli("cancel", run).code == 0
    assert host.outcome(run)["outcome"] == "cancelled"
    assert host.cli("approve", gate["id"]).code == 1
    assert host.cli("run", "support", case.request, "--id", run).code == 14
    for command in (("cancel",), ("pause",), ("resume",)):
        ended = host.cli(*command, run)
        assert (ended.code, "has ended" in ended.err) == (1, True), command
    assert host.refunds(case) == []


def test_a_step_is_taken_out(host: Host) -> None:
    case, run, _ = host.waiting()
    assert host.cli("cancel-step", run, "nothing").code == 4
    assert host.cli("cancel-step", run, "order").code == 1
    assert host.cli("cancel-step", run, "refund", "--as", "ada").code == 0
    assert host.outcome(run)["outcome"] in ("degraded", "rejected", "cancelled")
    assert host.refunds(case) == []


def test_an_own_plan_is_gated_like_any_other_and_a_wrong_one_is_refused(host: Host, tmp_path: Path) -> None:
    case = host.case()
    plan = tmp_path / "plan.yaml"
    refund = {"order_id": case.order, "amount": 26.0, "reason": "my own plan"}
    plan.write_text(json.dumps({"steps": [{"id": "pay", "title": "Pay", "tool": "refund_payment", "args": refund}]}))
    checked = host.cli("plan", "validate", str(plan), "--agent", "support")
    assert checked.code == 0, checked.all
    started = host.cli("run", "support", "as planned", "--plan", str(plan), "--no-watch", "--json")
    assert started.code == 0, started.all
    run = started.json["run"]
    assert host.gate(run)["id"] == f"{run}/pay"
    assert host.refunds(case) == []
    assert host.cli("reject", run).code == 0
    assert host.outcome(run)["outcome"] == "rejected"

    steps = [{"id": "a", "title": "A", "tool": "get_ordr", "args": {}}, {"id": "a", "title": "B", "tool": "get_order"}]
    plan.write_text(json.dumps({"steps": [*steps, {"id": "c", "title": "C", "tool": "get_order", "after": ["nope"]}]}))
    refused = host.cli("plan", "validate", str(plan), "--agent", "support")
    assert refused.code == 1
    for mistake in ("get_ordr", "nope", "order_id"):
        assert mistake in refused.all
    ended = host.cli("run", "support", "as planned", "--plan", str(plan), "--json")
    assert ended.code == 13
    assert "get_ordr" in ended.all


def test_unknown_runs_are_exit_code_4_and_wrong_usage_is_2(host: Host) -> None:
    for command in (("show", "nope"), ("cancel", "nope"), ("approve", "nope")):
        ended = host.cli(*command)
        assert (ended.code, "nope" in ended.err) == (4, True), command
        told = host.cli(*command, "--json").json
        assert (told["exit_code"], told["error"]["type"]) == (4, "not_found")
    for usage in (("rnu",), ("run",), ("run", "support"), ("runs", "--limit", "x"), ("show", "nope", "--nonsense")):
        assert host.cli(*usage).code == 2, usage


@pytest.mark.parametrize(
    "given",
    ['"hello"', "[1, 2]", "{}", '{"agent": 7}', '{"agent": "support", "request": {"a": 1}}', "null", '{"carried": 1}'],
)
def test_wrong_json_from_the_temporal_command_line_fails_the_run_at_once(host: Host, given: str) -> None:
    run = f"wrong-{next(host.numbers)}"
    ended = host.temporal(
        *("workflow", "execute", "--type", "AgentRun", "--task-queue", "plangate", "--workflow-id", run, "-i", given)
    )
    assert ended.code != 0, ended.all
    assert ended.seconds < 20
    assert "FAILED" in ended.all
    assert "is not right" in ended.all or "names no agent" in ended.all
    shown = host.cli("show", run)
    assert shown.code == 0
    assert "Failed" in shown.out
