"""The command line as a process, against the real workflow on a real server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from client.runs import new_run_id
from plangate.approvals import ApprovalRequest, Receipt
from plangate.run_status import RunResult
from plangate.runs import Outcome
from tests.client.conftest import BARE_NAMESPACE, Shop, cli_environment, run_cli


async def waiting_run(shop: Shop, request: str = "refund it", gates: int = 1) -> str:
    started = await shop.cli("run", "support", request, "--no-watch", "--json")
    assert started.code == 0, started.err
    run: str = started.json["run"]
    await shop.waiting(run, gates)
    return run


async def test_a_run_is_started_seen_in_the_inbox_approved_and_shown(shop: Shop) -> None:
    run = await waiting_run(shop)
    inbox = await shop.cli("inbox", "--json")
    (gate,) = [ApprovalRequest.model_validate(one) for one in inbox.json if one["run"] == run]
    assert gate.args == {"order_id": "1042", "amount": 62.0}
    shown = await shop.cli("inbox")
    assert f"plangate approve {run}/refund" in shown.out

    approved = await shop.cli("approve", run, "--as", "ada", "--json")
    assert approved.code == 0
    receipt = Receipt.model_validate(approved.json)
    assert (receipt.status.value, receipt.decision.by) == ("applied", "ada")

    result = await shop.plangate.result(run)
    assert result.outcome is Outcome.COMPLETED
    detail = (await shop.cli("show", run, "--json")).json
    assert RunResult.model_validate(detail["result"]) == result
    assert [step["id"] for step in detail["plan"]["steps"]] == ["find", "refund"]
    assert detail["timeline"][0]["kind"] == "admitted"
    text = (await shop.cli("show", run)).out
    assert "Refund 62.0 " in text
    assert "Find the order" in text
    assert "Your refund of 62.00 is on its way." in text


async def test_a_second_decision_is_told_that_nothing_was_changed(shop: Shop) -> None:
    run = await waiting_run(shop, "two", gates=2)
    undecided = await shop.cli("approve", run)
    assert undecided.code == 2
    assert f"{run}/refund" in undecided.err
    assert f"{run}/second" in undecided.err
    assert (await shop.cli("approve", f"{run}/refund", "--as", "ada")).code == 0
    again = await shop.cli("reject", f"{run}/refund", "--as", "bob")
    assert (again.code, again.out) == (1, "")
    assert "already approved by ada" in again.err
    stale = await shop.cli("approve", f"{run}/second", "--digest", "0" * 16, "--json")
    assert stale.code == 1
    assert stale.json["error"]["type"] == "refused"
    assert "other arguments" in stale.json["error"]["message"]


async def test_an_edit_changes_the_arguments_and_says_how(shop: Shop) -> None:
    run = await waiting_run(shop)
    wrong = await shop.cli("edit", f"{run}/refund", "--set", "amount=-5")
    assert wrong.code == 1
    assert "amount: -5 is not an amount" in wrong.err
    edited = await shop.cli("edit", f"{run}/refund", "--set", "amount=60", "--as", "ada")
    assert edited.code == 0
    assert "amount: 62.0 → 60" in edited.out
    await shop.plangate.result(run)
    assert shop.script.refunds == [{"order_id": "1042", "amount": 60}]


async def test_a_rejection_and_a_response_replace_the_call(shop: Shop) -> None:
    run = await waiting_run(shop, "two", gates=2)
    assert (await shop.cli("reject", f"{run}/refund", "--reason", "too much")).code == 0
    assert (await shop.cli("respond", f"{run}/second", "--response", '{"done": "by hand"}')).code == 0
    result = await shop.plangate.result(run)
    assert shop.script.refunds == []
    assert result.outcome is Outcome.REJECTED
    assert [gate.status.value for gate in result.approvals] == ["rejected", "responded"]


async def test_a_decision_by_signal_needs_no_confirmation(shop: Shop) -> None:
    run = await waiting_run(shop)
    sent = await shop.cli("approve", f"{run}/refund", "--signal", "--as", "ada")
    assert sent.code == 0
    assert "as a signal" in sent.out
    assert (await shop.plangate.result(run)).outcome is Outcome.COMPLETED
    late = await shop.cli("approve", f"{run}/refund", "--signal")
    assert late.code == 1
    assert "has ended" in late.err


async def test_watching_in_a_pipe_prints_lines_and_ends_with_the_outcomes_exit_code(shop: Shop) -> None:
    run = new_run_id("support")
    declined = await shop.cli("run", "support", "no", "--id", run, "--user", "rosa@example.com")
    assert declined.code == 10
    assert "I can only help with orders." in declined.out
    failed = await shop.cli("run", "support", "break")
    assert failed.code == 13
    assert "the planner wrote no plan" in failed.out
    assert "Traceback" not in failed.out + failed.err
    again = await shop.cli("run", "support", "no", "--id", run, "--json")
    assert again.code == 10
    assert RunResult.model_validate(again.json).run == run


async def test_pause_resume_and_cancel(shop: Shop) -> None:
    run = await waiting_run(shop)
    assert (await shop.cli("pause", run, "--as", "ada")).code == 0
    assert (await shop.cli("resume", run, "--json")).json == {"run": run, "action": "resume", "sent": True}
    assert (await shop.cli("cancel-step", run, "nope")).code == 4
    assert (await shop.cli("cancel-step", run, "find")).code == 1
    assert (await shop.cli("cancel", run)).code == 0
    await shop.plangate.result(run)
    kinds = [event.kind for event in await shop.plangate.timeline(run)]
    assert {"paused", "resumed", "ended"} <= set(kinds)
    for command in ("pause", "resume", "cancel"):
        assert (await shop.cli(command, run)).code == 1


@pytest.mark.parametrize(
    "command",
    [
        ("show", "nope"),
        ("approve", "nope/x"),
        ("approve", "nope"),
        ("cancel", "nope"),
        ("pause", "nope"),
        ("cancel-step", "nope", "x"),
    ],
)
async def test_an_unknown_run_is_exit_code_4(shop: Shop, command: tuple[str, ...]) -> None:
    ended = await shop.cli(*command)
    assert ended.code == 4
    assert "nope" in ended.err
    assert "Traceback" not in ended.err


async def test_a_namespace_without_search_attributes_is_pointed_to_setup(shop: Shop) -> None:
    ended = await shop.cli("run", "support", "hello", env={"TEMPORAL_NAMESPACE": BARE_NAMESPACE})
    assert ended.code == 6
    assert "plangate setup" in ended.err
    missing = await shop.cli("runs", env={"TEMPORAL_NAMESPACE": "nowhere"})
    assert missing.code == 3


async def test_an_own_plan_is_read_from_a_file(shop: Shop, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("steps: [", encoding="utf-8")
    broken = await shop.cli("run", "support", "x", "--plan", str(plan))
    assert broken.code == 2
    assert "neither YAML nor JSON" in broken.err
    assert (await shop.cli("run", "support", "x", "--plan", str(tmp_path / "none.yaml"))).code == 2
    assert (await shop.cli("run", "support", "x", "--input", "[1]")).code == 2


async def test_without_a_server_it_says_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    ended = await run_cli("runs", "--data", str(tmp_path), env={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert ended.code == 3
    assert "127.0.0.1:1" in ended.err
    assert "plangate up" in ended.err
    (tmp_path / "system.json").write_text(json.dumps({"address": "127.0.0.1:2"}), encoding="utf-8")
    ended = await run_cli("inbox", "--data", str(tmp_path), "--json")
    assert ended.code == 3
    assert "127.0.0.1:2" in ended.json["error"]["message"]
    ended = await run_cli("inbox", env={"TEMPORAL_PROFILE": "nope"})
    assert ended.code == 2


async def test_a_reader_that_goes_away_is_no_failure(shop: Shop) -> None:
    read, write = os.pipe()
    os.close(read)
    environment = cli_environment({"TEMPORAL_ADDRESS": shop.address})
    program = str(Path(sys.executable).parent / "plangate")
    for command in (("runs",), ("runs", "--json")):
        process = await asyncio.create_subprocess_exec(
            program, *command, stdout=write, stderr=asyncio.subprocess.PIPE, env=environment
        )
        _, told = await process.communicate()
        assert (process.returncode, told) == (0, b""), command
    os.close(write)


@pytest.mark.parametrize(
    ("args", "input", "says"),
    [
        (("run", "support", "\udcff where"), b"", "where' is not UTF-8"),
        (("run", "support", "-"), b"where \xff", "byte 7 is 0xff"),
        (("run", "support", "x", "--input", '{"a": "\\ud800"}'), b"", "lone surrogate"),
        (("run", "support", "x", "--input", "[" * 50_000), b"", "nested deeper"),
        (("run", "support", "x", "--plan", "{plan}"), b"", "is not UTF-8"),
        (("reject", "\udcff"), b"", "is not UTF-8"),
    ],
)
async def test_bytes_that_are_no_text_are_a_usage_mistake(
    args: tuple[str, ...], input: bytes, says: str, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"steps": [{"id": "\\ud800"}]}')
    told = await run_cli(*(arg.replace("{plan}", str(plan)) for arg in args), "--json", input=input)
    assert (told.code, told.json["error"]["type"]) == (2, "usage")
    assert says in told.json["error"]["message"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("run", "support", "x", "--input", '{"a": [1, NaN]}'), "NaN is not a JSON number: a[1]"),
        (("run", "support", "x", "--plan", "{plan}"), "Infinity is not a JSON number: steps[0].args.amount"),
        (("edit", "run/call", "--set", "amount=NaN"), "NaN is not a JSON number"),
        (("edit", "run/call", "--args", '{"to": {"amount": -Infinity}}'), "-Infinity is not a JSON number: to.amount"),
        (("respond", "run/call", "--response", '{"a": NaN}'), "NaN is not a JSON number: a"),
        (("dead-letters", "resume", "run", "--args", '{"a": NaN}'), "NaN is not a JSON number: a"),
    ],
)
async def test_numbers_that_json_doesnt_have_are_refused_with_their_place(
    args: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("steps: [{id: a, tool: pay, args: {amount: .inf}}]")
    environment = {"TEMPORAL_ADDRESS": "127.0.0.1:1", "PLANGATE_DATA": str(tmp_path)}
    told = await run_cli(*(arg.replace("{plan}", str(plan)) for arg in args), "--json", env=environment)
    assert (told.code, says in told.json["error"]["message"]) == (2, True), told.out


async def test_usage_mistakes_are_exit_code_2_in_text_and_in_json() -> None:
    assert (await run_cli("nonsense")).code == 2
    assert (await run_cli("edit", "x")).code == 2
    told = await run_cli("approve", "--json")
    assert told.code == 2
    assert told.json["error"]["type"] == "usage"
    shown = await run_cli("--help")
    assert shown.code == 0
    for command in ("run", "inbox", "approve", "show", "runs", "cancel", "up", "doctor", "demo"):
        assert f"\n  {command} " in shown.out
