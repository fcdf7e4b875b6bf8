"""What people decide, and what becomes of decisions that come wrong, twice or too late."""

from __future__ import annotations

import json

from tests.e2e.host import Host


def test_a_refund_is_asked_for_seen_in_the_inbox_approved_and_shown(host: Host) -> None:
    case, run, gate = host.waiting()
    listed = [one for one in host.cli("inbox", "--json").json if one["run"] == run]
    assert [(one["id"], one["digest"]) for one in listed] == [(gate["id"], gate["digest"])]
    text = host.cli("inbox").out
    assert f"plangate approve {gate['id']}" in text
    assert case.order in text
    assert host.refunds(case) == []

    said = host.cli("approve", gate["id"], "--as", "ada", "--reason", "it was broken")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"Approved: {gate['id']}.\n"
    assert host.outcome(run)["outcome"] == "completed"
    (refund,) = host.refunds(case)
    assert refund["amount"] == f"{case.pence / 100:.2f}"
    shown = host.cli("show", run)
    assert shown.code == 0
    assert "approved by ada" in shown.out
    assert case.order in shown.out
    told = host.cli("show", run, "--json").json
    assert told["result"]["outcome"] == "completed"
    assert told["result"]["approvals"][0]["decision"]["reason"] == "it was broken"
    assert [line["outcome"] if "outcome" in line else line["status"] for line in _lines(host, run)] == ["completed"]
    assert run in host.cli("runs").out

    for again in (("approve",), ("reject",), ("edit", "--set", "amount=30"), ("respond", "--response", "x")):
        late = host.cli(again[0], gate["id"], *again[1:], "--as", "bob")
        assert (late.code, late.out) == (1, ""), again
        assert "nothing was changed" in late.err
    assert len(host.refunds(case)) == 1


def _lines(host: Host, run: str) -> list[dict[str, object]]:
    return [line for line in host.cli("runs", "--limit", "100", "--json").json if line["run"] == run]


def test_decisions_that_name_the_wrong_thing_change_nothing(host: Host) -> None:
    case, run, gate = host.waiting()
    wrong = {
        ("approve", "nobody-knows/refund"): 4,
        ("approve", f"{run}/other"): 1,
        ("approve", gate["id"], "--digest", "0" * 64): 1,
        ("approve", gate["id"], "--digest", gate["digest"][:8]): 1,
        ("approve", gate["id"], "--digest", "not hex at all!!"): 1,
        ("edit", gate["id"], "--args", "{"): 2,
        ("edit", gate["id"], "--args", "[1]"): 2,
        ("edit", gate["id"]): 2,
        ("edit", gate["id"], "--set", "amount=-5"): 1,
        ("edit", gate["id"], "--set", "amount=lots"): 1,
        ("edit", gate["id"], "--set", "colour=red"): 1,
        ("edit", gate["id"], "--args", '{"amount": 5}'): 1,
    }
    for command, code in wrong.items():
        ended = host.cli(*command, "--as", "eve")
        assert (ended.code, ended.out) == (code, ""), (command, ended.all)
        assert ended.err.startswith(("Error", "Usage")), command
    assert host.gate(run)["digest"] == gate["digest"]
    assert host.refunds(case) == []
    told = host.cli("approve", f"{run}/other", "--json")
    assert (told.json["exit_code"], told.json["error"]["type"]) == (1, "refused")
    assert host.cli("reject", run, "--as", "ada", "--reason", "no photo").code == 0
    status = host.outcome(run)
    assert status["outcome"] == "rejected"
    assert "no photo" in host.cli("show", run).out
    assert host.refunds(case) == []


def test_an_edit_is_checked_again_and_shown(host: Host) -> None:
    case, run, gate = host.waiting()
    edited = host.cli("edit", gate["id"], "--set", "amount=27.50", "--as", "ada")
    assert edited.code == 0
    assert "→ 27.5" in edited.out
    assert host.outcome(run)["outcome"] == "completed"
    assert [refund["amount"] for refund in host.refunds(case)] == ["27.50"]
    assert "27.5" in host.cli("show", run).out


def test_an_answer_in_the_tools_place_calls_no_tool(host: Host) -> None:
    case, run, gate = host.waiting()
    response = json.dumps({"refund_id": "by hand", "order_id": case.order, "amount": 1.0})
    assert host.cli("respond", gate["id"], "--response", response, "--as", "ada").code == 0
    assert host.outcome(run)["outcome"] in ("completed", "degraded")
    assert host.refunds(case) == []


def test_nothing_but_the_temporal_command_line_starts_and_approves_a_run(host: Host) -> None:
    case = host.case()
    started = host.temporal(
        *("workflow", "start", "--type", "AgentRun", "--task-queue", "plangate", "--workflow-id", case.run),
        *("--input", json.dumps(case.input)),
    )
    assert started.code == 0, started.all
    gate = host.gate(case.run)
    signal = ("workflow", "signal", "--workflow-id", case.run, "--name", "approve", "--input")
    assert host.temporal(*signal, '"not a decision"').code == 0
    assert host.temporal(*signal, "[1, 2]").code == 0
    assert host.temporal(*signal, json.dumps({"approval": gate["id"], "digest": "0" * 64})).code == 0
    assert host.refunds(case) == []
    decision = {"approval": gate["id"], "digest": gate["digest"], "by": "ada"}
    for _ in range(2):
        assert host.temporal(*signal, json.dumps(decision)).code == 0
    assert host.outcome(case.run)["outcome"] == "completed"
    assert len(host.refunds(case)) == 1
    assert "approved by ada" in host.cli("show", case.run).out
