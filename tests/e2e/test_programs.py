"""Agents and plans on the command line, the demo, the example script, and no server at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.e2e.host import ROOT, Host, plangate, run_program


def test_agents_are_listed_shown_and_validated_the_broken_one_too(host: Host, agents: Path) -> None:
    where = ("--agents", str(agents))
    listed = host.cli("agents", "list", *where)
    assert listed.code == 0
    assert "support" in listed.out
    assert "broken" in listed.out
    assert "refund_payment" in host.cli("agents", "show", "support", *where).out
    unknown = host.cli("agents", "show", "suport", *where)
    assert unknown.code == 2
    assert "support" in unknown.err
    checked = host.cli("agents", "validate", *where)
    assert checked.code == 1
    assert "tools.py:1" in checked.all
    assert "agent.yaml:2" in checked.all
    told = host.cli("agents", "validate", "support", *where, "--json")
    assert (told.code, told.json["ok"]) == (0, True)


def test_a_new_agent_works(tmp_path: Path) -> None:
    made = plangate("agents", "new", "billing", cwd=tmp_path)
    assert made.code == 0, made.all
    assert plangate("agents", "validate", "billing", cwd=tmp_path).code == 0
    assert plangate("agents", "new", "billing", cwd=tmp_path).code == 2
    tests = run_program([sys.executable, "-m", "pytest", "-q", str(tmp_path / "agents" / "billing")], cwd=tmp_path)
    assert tests.code == 0, tests.all
    assert "passed" in tests.out


def test_without_a_server_every_command_says_so_soon(tmp_path: Path) -> None:
    for command in (("run", "support", "hello"), ("runs",), ("inbox",), ("approve", "x/y"), ("show", "x")):
        ended = plangate(*command, TEMPORAL_ADDRESS="127.0.0.1:1", PLANGATE_DATA=str(tmp_path))
        assert (ended.code, ended.out) == (3, ""), command
        assert "127.0.0.1:1" in ended.err
        assert "plangate up" in ended.err
        assert ended.seconds <= 8, "5 seconds, and room for a busy machine"
    doctor = plangate("doctor", "--json", TEMPORAL_ADDRESS="127.0.0.1:1", PLANGATE_DATA=str(tmp_path))
    assert (doctor.code, json.loads(doctor.out)["ok"]) == (1, False)


def test_the_demo_in_a_pipe(tmp_path: Path) -> None:
    ended = plangate("demo", PLANGATE_DATA=str(tmp_path), seconds=150)
    assert ended.code == 0, ended.all
    for part in ("Waiting for approval", "Answer", "£62.00", "Completed", "tokens", "no cost", "/workflows/support-"):
        assert part in ended.out, part


def test_the_example_script_starts_watches_and_approves(host: Host) -> None:
    script = str(ROOT / "examples" / "start_run.py")
    ended = run_program([sys.executable, script], PLANGATE_DATA=str(host.data))
    assert ended.code == 0, ended.all
    assert "completed" in ended.out
    assert "approve" in ended.out
    nobody = run_program([sys.executable, script], TEMPORAL_ADDRESS="127.0.0.1:1")
    assert nobody.code == 1
    assert "Traceback" not in nobody.err
    assert "plangate up" in nobody.err


def test_the_doctor_finds_everything_well(host: Host) -> None:
    ended = host.cli("doctor", "--json")
    assert (ended.code, ended.json["ok"]) == (0, True), ended.all
