"""`plangate agents …` and `plangate plan validate`, run as the client runs them: a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from activities.catalogue import load_agent
from activities.catalogue.loading import RESERVED_AGENTS
from plangate.policy import Action
from plangate.validation import validate_plan
from tests.activities.catalogue_folders import TOOLS, make_folder
from workers.agents.commands import main
from workers.agents.plan_files import step_verdict
from workers.new_agent import TEMPLATE, make_agent
from workers.offline_model.loading import load_rules
from workers.offline_model.prompts import Message, Prompt
from workers.offline_model.proposing import propose

ROOT = Path(__file__).parents[2]
PLAN = """\
goal: Give money back
steps:
  - id: find
    tool: find_order
    args: {order_id: "1"}
  - id: small
    tool: refund
    args: {order_id: {$ref: find.id}, amount: 3}
  - id: large
    title: The large one
    tool: refund
    args: {order_id: {$ref: find.id}, amount: 300}
    after: small
  - id: unknown
    tool: refund
    args: {order_id: "1", amount: {$ref: find.total}}
    optional: true
"""


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "agents"
    make_folder(folder, "shop")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLANGATE_AGENTS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return code, captured.out, captured.err


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, _ = run(capsys, *arguments, "--json")
    return code, json.loads(out)


def test_list_shows_broken_agents_too(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(agents, "bad", {"agent.yaml": "titel: x\n"})
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert "shop" in out
    assert "broken: 1 mistake; see `plangate agents validate bad`" in out
    code, data = run_json(capsys, "agents", "list")
    assert code == 0
    assert [(agent["name"], agent["ok"]) for agent in data["agents"]] == [("bad", False), ("shop", True)]
    assert data["agents"][1]["tools"] == ["find_order", "refund"]


def test_show_names_rules_limits_and_settings_but_no_values(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "shop")
    assert code == 0
    for part in ("by itself when amount is under 25", "PLANGATE_SHOP_PAYMENTS_URL", "Time to decide", "24 hours"):
        assert part in out
    code, data = run_json(capsys, "show", "shop")
    assert code == 0
    assert data["settings"] == {"payments_url": "PLANGATE_SHOP_PAYMENTS_URL"}
    assert "127.0.0.1" not in json.dumps(data) + out
    assert data["limits"]["plan_steps"] == 25


def test_show_of_an_unknown_agent_names_the_nearest(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "show", "shopp")
    assert code == 2
    assert "there is no agent 'shopp'; did you mean 'shop'?" in err
    code, data = run_json(capsys, "show", "shopp")
    assert (code, data["error"]["type"]) == (2, "UnknownAgent")


def test_show_of_a_broken_agent_lists_its_mistakes(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(agents, "bad", {"agent.yaml": "titel: x\n"})
    code, _, err = run(capsys, "show", "bad")
    assert code == 1
    assert "agent.yaml:1: unknown key 'titel'" in err


def test_validate_lists_every_mistake_by_file_and_line(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "validate")[0] == 1  # `intents: {}` alone is YAML, but no rules for the offline model
    (agents / "shop" / "offline.yaml").unlink()
    code, out, _ = run(capsys, "validate")
    assert code == 0
    assert out.startswith("✓ shop  2 tools, version ")
    make_folder(agents, "bad", {"agent.yaml": "titel: x\nmodels: 3\n", "offline.yaml": None})
    code, out, _ = run(capsys, "validate", "bad", "shop")
    assert code == 1
    assert "✗ bad  2 mistakes" in out
    assert "  agents/bad/agent.yaml:1: unknown key 'titel'; did you mean 'title'?" in out
    assert "  agents/bad/agent.yaml:2: models: " in out
    code, data = run_json(capsys, "validate", "agents/bad")
    assert (code, data["ok"]) == (1, False)
    assert [(p["file"], p["line"]) for p in data["agents"][0]["problems"]] == [("agent.yaml", 1), ("agent.yaml", 2)]


def test_validate_reports_the_offline_rules_with_their_lines(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(agents, "bad", {"offline.yaml": "intents: {}\ndeclin: No.\n"})
    code, data = run_json(capsys, "validate", "bad")
    assert code == 1
    assert ("offline.yaml", 2) in [(p["file"], p["line"]) for p in data["agents"][0]["problems"]]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("shp", "there is no agent and no folder 'shp'; did you mean 'shop'?"),
        ("some/where", "there is no folder 'some/where'"),
    ],
)
def test_validate_of_what_is_not_there(agents: Path, capsys: pytest.CaptureFixture[str], what: str, text: str) -> None:
    code, _, err = run(capsys, "validate", what)
    assert code == 2
    assert text in err


def test_what_an_agent_prints_does_not_get_into_the_json(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(agents, "loud", {"tools.py": TOOLS + "\nprint('hello')\n"})
    assert run_json(capsys, "list")[0] == 0
    assert run_json(capsys, "show", "loud")[0] == 0


@pytest.mark.parametrize("arguments", [["show"], ["nonsense"], ["plan", "validate"], ["list", "--colour"], []])
def test_wrong_usage(agents: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert "Usage: plangate agents" in out + err or "Usage: plangate plan" in out + err


def test_new_makes_an_agent_that_validates_and_whose_tests_pass(
    agents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, data = run_json(capsys, "new", "my-billing")
    assert code == 0
    assert "tests/test_my_billing_tools.py" in data["files"]
    code, out, _ = run(capsys, "validate", "my-billing")
    assert (code, out.split(",")[0]) == (0, "✓ my-billing  3 tools")
    folder = agents / "my-billing"
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert not [path for path, text in texts.items() if "new_agent" in text.lower() or "new agent" in text.lower()]
    assert [tool.settings.effect.value for tool in load_agent(folder).tools.values()] == [
        "read",
        "write",
        "consequential",
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    tests = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "5 passed" in tests.stdout or "....." in tests.stdout


def test_new_does_not_overwrite(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in agents.rglob("*") if path.is_file()}
    code, _, err = run(capsys, "new", "shop")
    assert code == 2
    assert "exists already; choose another name" in err
    assert {path: path.read_bytes() for path in agents.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["Billing", "my billing", "../billing", "x" * 41, "", *sorted(RESERVED_AGENTS)])
def test_new_refuses_a_name_that_is_not_allowed(agents: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    before = sorted(agents.parent.rglob("*"))
    assert run(capsys, "new", name)[0] == 2
    assert sorted(agents.parent.rglob("*")) == before


def test_new_into_a_place_that_cannot_be_written(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (agents.parent / "file").write_text("x")
    code, _, err = run(capsys, "new", "billing", "--agents", "file/agents")
    assert code == 2
    assert "can't be written" in err


def test_the_template_is_itself_a_working_agent(tmp_path: Path) -> None:
    assert sorted(load_agent(TEMPLATE).tools) == ["draft_message", "look_up", "send_message"]


@pytest.mark.parametrize(
    ("request_text", "tools"),
    [
        ("What do our notes say about opening hours?", ["look_up"]),
        ("When are we open?", ["look_up"]),
        ("Send ada@example.com a message about opening hours.", ["look_up", "draft_message", "send_message"]),
        ("Please e-mail bob@example.org about the holidays, thanks", ["look_up", "draft_message", "send_message"]),
        ("Write to bob@example.org", None),
        ("Book me a flight to Rome", None),
    ],
)
def test_the_new_agents_offline_rules_make_plans_that_it_may_carry_out(
    tmp_path: Path, request_text: str, tools: list[str] | None
) -> None:
    agent, _ = make_agent("billing", tmp_path)
    loaded = load_rules(agent.folder / "offline.yaml")
    assert loaded.rules is not None
    messages = (Message("user", request_text),)
    proposal = propose(loaded.rules, Prompt("responses", "m", messages, task="plan", request=request_text))
    if tools is None:
        assert (proposal.action, proposal.plan) == ("decline", None)
        return
    assert proposal.plan is not None
    assert [step.tool for step in proposal.plan.steps] == tools
    _, problems = validate_plan(
        proposal.plan,
        tools=agent.policies,
        schemas=agent.schemas,
        limits=agent.scope.limits,
        results=agent.results,
    )
    assert problems == []


@pytest.fixture
def plan(agents: Path) -> Path:
    file = agents.parent / "plan.yaml"
    file.write_text(PLAN)
    return file


def test_a_right_plan_is_shown_with_what_is_asked(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "plan", "validate", str(plan), "--agent", "shop")
    assert code == 0
    assert "is a plan that shop may carry out" in out
    assert "A person decides about: unknown, large" in out
    code, data = run_json(capsys, "plan", "validate", str(plan), "--agent", "shop")
    assert (code, data["ok"]) == (0, True)
    rule = "by itself when amount is under 25, otherwise asks first"
    assert [(step["id"], step["wave"], step["after"], step["gate"]) for step in data["steps"]] == [
        ("find", 1, [], "by itself"),
        ("small", 2, ["find"], "by itself"),
        ("unknown", 2, ["find"], rule),
        ("large", 3, ["find", "small"], "asks first"),
    ]
    assert data["steps"][2]["verdict"] is None
    assert data["steps"][3]["verdict"]["action"] == "ask"


def test_json_plans_are_read(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_text('{\n\t"steps": [{"id": "find", "tool": "find_order", "args": {"order_id": "1"}}]\n}')
    assert run(capsys, "plan", "validate", str(plan), "--agent", "shop")[0] == 0


def test_every_mistake_of_a_plan_has_its_line(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = PLAN.replace("tool: find_order", "tool: find_ordr").replace("amount: 300", "amount: many")
    plan.write_text(text.replace("find.total", "fnd.total").replace("after: small", "after: smal"))
    code, data = run_json(capsys, "plan", "validate", str(plan), "--agent", "shop")
    assert (code, data["ok"], data["steps"]) == (1, False, [])
    assert [(p["step"], p["where"], p["line"]) for p in data["problems"]] == [
        ("find", "tool", 4),
        ("large", "args.amount", 12),
        ("large", "after", 13),
        ("unknown", "args.amount", 16),
    ]
    code, out, _ = run(capsys, "plan", "validate", str(plan), "--agent", "shop")
    assert code == 1
    assert "4 mistakes for the agent shop" in out
    assert f"{plan}:4: step 'find', tool: there is no tool 'find_ordr', did you mean 'find_order'?" in out


@pytest.mark.parametrize("text", ["", "[]", "3", "steps: 3", "steps: [1]", "steps: [{}]", "steps: [{id: 1}]"])
def test_what_is_no_plan_in_form_is_a_mistake(plan: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    plan.write_text(text)
    assert run(capsys, "plan", "validate", str(plan), "--agent", "shop")[0] == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"steps: [", "not YAML"),
        (b'{"steps": [], "steps": []}', "the key 'steps' stands twice"),
        (b"steps: []\nsteps: []\n", "the key 'steps' stands twice; first in line 1"),
        (b"goal: .nan\n", "a value that JSON doesn't have: NaN is not a JSON number: goal"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x" * 1_000_001, "is larger than 1,000,000 bytes"),
    ],
)
def test_a_plan_file_that_cannot_be_read(
    plan: Path, capsys: pytest.CaptureFixture[str], content: bytes, text: str
) -> None:
    plan.write_bytes(content)
    code, _, err = run(capsys, "plan", "validate", str(plan), "--agent", "shop")
    assert code == 2
    assert text in err


def test_a_json_file_is_strict(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = plan.with_suffix(".json")
    file.write_text('{"goal": NaN}')
    code, _, err = run(capsys, "plan", "validate", str(file), "--agent", "shop")
    assert code == 2
    assert "NaN is not a JSON number" in err


def test_a_plan_file_that_is_not_there(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "plan", "validate", "none.yaml", "--agent", "shop")
    assert code == 2
    assert "the plan file 'none.yaml' can't be read: No such file or directory" in err


def test_a_default_counts_for_the_verdict(tmp_path: Path) -> None:
    tools = TOOLS.replace("amount: float,", "amount: float = 3,").replace(
        "order_id: str, amount", "order_id: str = '', amount"
    )
    agent = load_agent(make_folder(tmp_path, files={"tools.py": tools}))
    verdict = step_verdict(agent, "refund", {})
    assert verdict is not None
    assert verdict.action is Action.ALLOW


def test_the_program_runs_by_its_name(agents: Path) -> None:
    command = [sys.executable, "-P", "-m", "workers.agents", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=agents.parent)
    assert [agent["name"] for agent in json.loads(done.stdout)["agents"]] == ["shop"]
