"""`plangate dead-letters` as a process, beside a worker of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plangate.run_status import RunResult
from plangate.runs import Outcome
from tests.workflows.desk import AGENTS, Desk, eventually, pending, result_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCRIPT = Path(sys.executable).parent / "plangate"


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


async def cli(desk: Desk, tmp_path: Path, *words: str) -> Ended:
    env = {
        **os.environ,
        "TEMPORAL_ADDRESS": desk.client.service_client.config.target_host,
        "PLANGATE_DATABASE_URL": f"sqlite:///{tmp_path / 'plangate.db'}",
        "PLANGATE_AGENTS": str(AGENTS),
        "PLANGATE_USER": "kim",
    }
    process = await asyncio.create_subprocess_exec(
        str(SCRIPT), "dead-letters", *words, env=env, stdout=-1, stderr=-1, stdin=asyncio.subprocess.DEVNULL
    )
    out, err = await process.communicate()
    assert "Traceback" not in err.decode(), err.decode()
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def failed(desk: Desk, id: str) -> str:
    plan = {
        "steps": [
            {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 5}},
            {"id": "f", "tool": "fail", "args": {"how": "permanent"}, "after": ["p"]},
        ]
    }
    result = await desk.run("pay ann, please", plan=plan, id=id)
    assert result.outcome is Outcome.FAILED
    return result.run


async def test_list_show_and_resume_with_corrected_arguments(desk: Desk, tmp_path: Path) -> None:
    run = await failed(desk, "cli-1")
    listed = await cli(desk, tmp_path, "list", "--json")
    assert [(each["run"], each["type"], each["step"]) for each in listed.json["dead_letters"]] == [
        (run, "Permanent", "f")
    ]
    shown = await cli(desk, tmp_path, "show", run)
    for said in ("pay ann, please", "Pay 5.0 to ann", "Permanent: fail failed: gone for good", "keeps p", "runs f"):
        assert said in shown.out
    desk.model.script("done")
    done = await cli(desk, tmp_path, "resume", run, "--args", '{"times": 0}', "--json")
    assert done.json == {"run": run, "resumed_as": "cli-1-resume-1", "kept": ["p"], "repeated": ["f"]}
    result = await result_of(desk.client.get_workflow_handle("cli-1-resume-1", result_type=RunResult))
    assert result.outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="pay")) == 1
    again = await cli(desk, tmp_path, "resume", run, "--json")
    assert (again.code, "already resumed by kim" in again.json["error"]["message"]) == (1, True)
    assert "no dead letters" in (await cli(desk, tmp_path, "list")).out
    assert run in (await cli(desk, tmp_path, "list", "--all")).out


async def test_the_error_of_a_call_that_was_never_made_is_whole(desk: Desk, tmp_path: Path) -> None:
    args = {"to": "ann", "amount": 5e6, "note": "x" * 300}
    plan = {"steps": [{"id": "p", "tool": "pay", "args": {**args, "amount": {"$ref": "input.much"}}}]}
    result = await desk.run(plan=plan, id="cli-0", input={"much": 5e6})
    assert result.outcome is Outcome.FAILED
    error = (await cli(desk, tmp_path, "show", "cli-0", "--json")).json["error"]
    assert {name: error[name] for name in ("type", "attempted", "step", "input", "attempts", "next")} == {
        "type": "InvalidArguments",
        "attempted": "pay",
        "step": "p",
        "input": {**args, "note": "x" * 200 + "…"},
        "attempts": 0,
        "next": "the run ends",
    }
    shown = " ".join((await cli(desk, tmp_path, "show", "cli-0")).out.split())
    for said in (
        "step p, pay, it was not called",
        "input: {'to': 'ann', 'amount': 5000000.0",
        "came next: the run ends",
    ):
        assert said in shown


async def test_discard_wants_a_reason_and_is_final(desk: Desk, tmp_path: Path) -> None:
    run = await failed(desk, "cli-2")
    assert (await cli(desk, tmp_path, "discard", run)).code == 2
    assert (await cli(desk, tmp_path, "discard", run, "--reason", " ")).code == 2
    assert (await cli(desk, tmp_path, "discard", run, "--reason", "paid by hand")).code == 0
    shown = await cli(desk, tmp_path, "show", run, "--json")
    assert (shown.json["state"], shown.json["history"][0]["reason"]) == ("discarded", "paid by hand")
    assert (await cli(desk, tmp_path, "resume", run)).code == 1


async def test_an_unknown_outcome_is_resolved_and_resumed(desk: Desk, tmp_path: Path) -> None:
    handle = await desk.start(plan={"steps": [{"id": "w", "tool": "waver", "args": {"what": "x"}}]}, id="cli-3")
    (gate,) = await pending(handle)
    await handle.signal("approve", {"approval": gate.id, "digest": gate.digest, "by": "kim"})
    assert (await result_of(handle)).outcome is Outcome.FAILED
    refused = await cli(desk, tmp_path, "resume", "cli-3")
    assert refused.code == 1
    assert "plangate dead-letters resolve cli-3 --call w" in refused.err
    words = ("resolve", "cli-3", "--call", "w", "--reason", "the bank says so")
    assert (await cli(desk, tmp_path, *words)).code == 2
    assert (await cli(desk, tmp_path, *words, "--done", "--result", "{")).code == 2
    assert (await cli(desk, tmp_path, *words, "--done", "--result", '{"wavered": "x"}')).code == 0
    desk.model.script("done")
    assert (await cli(desk, tmp_path, "resume", "cli-3")).code == 0
    result = await result_of(desk.client.get_workflow_handle("cli-3-resume-1", result_type=RunResult))
    assert result.outcome is Outcome.COMPLETED
    assert len(desk.effects(tool="waver")) == 1


async def test_unknown_runs_and_calls_are_said(desk: Desk, tmp_path: Path) -> None:
    for words in (("show", "nope"), ("resume", "nope"), ("discard", "nope", "--reason", "x")):
        ended = await cli(desk, tmp_path, *words, "--json")
        assert (ended.code, ended.json["exit_code"]) == (4, 4)
        assert "'nope'" in ended.json["error"]["message"]
    run = await failed(desk, "cli-4")
    ended = await cli(desk, tmp_path, "resolve", run, "--call", "p", "--reason", "x", "--done")
    assert (ended.code, "no call 'p'" in ended.err) == (1, True)
    assert (await cli(desk, tmp_path, "resume", run, "--args", "[]")).code == 2


async def test_sweep_finds_terminated_runs(desk: Desk, tmp_path: Path) -> None:
    handle = await desk.start(plan={"steps": [{"id": "p", "tool": "pay", "args": {"to": "a", "amount": 90}}]})
    await pending(handle)
    await handle.terminate()

    async def swept() -> bool:
        return handle.id in (await cli(desk, tmp_path, "sweep", handle.id, "--json")).json["added"]

    await eventually(swept)
    assert handle.id in (await cli(desk, tmp_path, "list")).out
