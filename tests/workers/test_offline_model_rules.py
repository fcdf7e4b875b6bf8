"""The rules language: what each mistake is told, and what wordings, expressions and templates mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from plangate.plans import PlanProposal
from workers.offline_model.engine import OfflineModel
from workers.offline_model.expressions import ExpressionError, fill, fill_text, holds, problem_of, value_of
from workers.offline_model.loading import load_rules
from workers.offline_model.prompts import Prompt, read_prompt
from workers.offline_model.schemas import smallest
from workers.offline_model.wording import normalise, says

ROOT = Path(__file__).parents[2]
SMALL = """\
words:
  bill: [bill, invoice*]
entities:
  number: {patterns: '#(\\d+)'}
intents:
  show:
    match: {bill: 3}
    plan:
      goal: Show bill {{ number }}.
      steps:
        - {id: bill, title: 'Get bill {{ number }}', tool: get_bill, args: {number: '{{ number }}'}}
    answer: 'It says {{ bill.text }}.'
decline: Not mine.
"""


def write(folder: Path, text: str) -> Path:
    agent = folder / "billing"
    agent.mkdir(exist_ok=True)
    path = agent / "offline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def ask(folder: Path, task: str, request: str, **sections: Any) -> str:
    message = f"<context>\n{{}}\n</context>\n<request>\n{request}\n</request>"
    message += "".join(f"\n<{name}>\n{json.dumps(value)}\n</{name}>" for name, value in sections.items())
    body = {"model": "m", "instructions": f"Agent: billing\nTask: {task}", "input": message}
    return OfflineModel((folder,)).reply(read_prompt("responses", body))


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("words:", "words: [", None, "not YAML"),
        ("decline: Not mine.\n", "", 1, "decline: Field required"),
        ("decline: Not mine.", "decline: 3", 13, "decline"),
        ("decline: Not mine.", "decline: Not mine.\nrefuse: x", 14, "refuse: there is no such field"),
        ("decline: Not mine.", "decline: a\ndecline: b", 14, "'decline' stands twice"),
        ("invoice*", "'**'", 2, "has no word"),
        ("invoice*", "/(/", 2, "not a regular expression"),
        ("'#(\\d+)'", "'#(\\d+'", 4, "not a regular expression"),
        ("{patterns: '#(\\d+)'}", "{all: true}", 4, "either `patterns` or a `value`"),
        ("{patterns: '#(\\d+)'}", "{value: 'a['}", 4, "not a JMESPath expression"),
        ("{patterns: '#(\\d+)'}", "{value: cash(a)}", 4, "calls 'cash', which is no function"),
        ("match: {bill: 3}", "match: {bil: 3}", 7, "did you mean 'bill'?"),
        ("match: {bill: 3}", "match: {bill: much}", 7, "valid number"),
        ("goal: Show bill {{ number }}.", "goal: '{{ nu( }}'", 9, "the placeholder"),
        ("tool: get_bill", "tol: get_bill", 11, "a step has no field 'tol'"),
        ("id: bill", "id: Bill", 11, "match pattern"),
        ("id: bill", "id: steps", 11, "the name of something else"),
        ("id: bill", "id: number", 11, "the name of something else"),
        ("'Get bill {{ number }}'", "'{{ | }}'", 11, "the placeholder"),
        ("- {id: bill,", "- nothing\n        - {id: bill,", 11, "there is no step 'nothing'"),
        ("steps:\n", "decline: No.\n      steps:\n", 8, "one of `steps`"),
        ("answer: 'It says {{ bill.text }}.'", "answer: {say: x, wen: y}", 12, "wen"),
        (SMALL, "- a list", 1, "must be an object"),
        (SMALL, "", 1, "must be an object"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int | None, problem: str) -> None:
    assert old in SMALL
    loaded = load_rules(write(tmp_path, SMALL.replace(old, new, 1)))
    assert loaded.rules is None
    told = [str(one) for one in loaded.problems]
    place = f"billing/offline.yaml:{line}: " if line else "billing/offline.yaml:"
    assert any(text.startswith(place) and problem in text for text in told), told


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = SMALL.replace("bill: 3", "bil: 3").replace("id: bill", "id: Bill")
    assert [problem.line for problem in load_rules(write(tmp_path, text)).problems] == [7, 11]


def test_a_file_that_cant_be_read(tmp_path: Path) -> None:
    assert "can't be read" in str(load_rules(tmp_path / "offline.yaml").problems[0])
    write(tmp_path, SMALL).write_bytes(b"\xff\xfe\x00")
    assert "can't be read" in str(load_rules(tmp_path / "billing" / "offline.yaml").problems[0])


def test_broken_rules_decline_with_the_mistakes_and_are_read_again_when_mended(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL.replace("bill: 3", "bil: 3"))
    proposal = PlanProposal.model_validate_json(ask(tmp_path, "plan", "my bill #7"))
    assert proposal.action == "decline"
    assert "billing/offline.yaml:7" in proposal.message
    path.write_text(SMALL, encoding="utf-8")
    assert PlanProposal.model_validate_json(ask(tmp_path, "plan", "my bill #7")).action == "plan"


def test_plan_answer_decline(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    proposal = PlanProposal.model_validate_json(ask(tmp_path, "plan", "Show me the invoices #7"))
    assert proposal.plan is not None
    assert proposal.plan.goal == "Show bill 7."
    assert proposal.plan.steps[0].args == {"number": "7"}
    results = {
        "outcome": "completed",
        "gaps": [],
        "steps": [{"id": "bill", "status": "done", "result": {"text": "£9"}}],
    }
    assert ask(tmp_path, "answer", "Show me the invoices #7", results=results) == "It says £9."
    assert PlanProposal.model_validate_json(ask(tmp_path, "plan", "Sing!")).message == "Not mine."


def test_an_agents_own_folder_can_be_given(tmp_path: Path) -> None:
    folder = write(tmp_path, SMALL).parent
    assert OfflineModel((folder,)).agents() == ["billing"]
    assert PlanProposal.model_validate_json(ask(folder, "plan", "my bill #7")).action == "plan"


def test_without_a_revision_rule_the_plan_just_ends(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    progress = {"revision": 1, "why": "it failed", "plan": {"goal": "Show it."}, "steps": []}
    proposal = PlanProposal.model_validate_json(ask(tmp_path, "revise", "my bill #7", progress=progress))
    assert proposal.plan is not None
    assert (proposal.plan.goal, proposal.plan.steps) == ("Show it.", [])


def test_the_agents_that_ship_have_no_mistakes() -> None:
    assert OfflineModel((ROOT / "agents",)).problems() == []


def test_the_example_in_the_docs_is_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "offline-model.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(example)
    assert load_rules(write(tmp_path, example)).problems == []


@pytest.mark.parametrize(
    ("text", "wording", "fits"),
    [
        ("I’d like a REFUND", "refund", True),
        ("refunded", "refund", False),
        ("refunded", "refund*", True),
        ("give it back", "give back", False),
        ("give me all of my money back", "give … back", True),
        ("give a b c d e f g back", "give ... back", False),
        ("I don't want it", "dont want", True),
        ("wont, want", "want", True),
        ("the teapot", "pot", False),
        ("order 12", "/\\d{2}/", True),
    ],
)
def test_wording(text: str, wording: str, fits: bool) -> None:
    assert says(normalise(text), wording) is fits


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("money(`62`, 'GBP')", "£62.00"),
        ("money('1234.5', 'CHF')", "1,234.50 CHF"),
        ("money(nothing, 'GBP')", None),
        ("day('2026-11-20T10:00:00Z')", "20 November 2026"),
        ("day('soon')", None),
        ("before('2026-11-01', today)", True),
        ("before(nothing, today)", False),
        ("and(list)", "a, b and c"),
        ("and(list[:1])", "a"),
        ("and(list[:0])", None),
        ("count(`1`, 'day', 'days')", "1 day"),
        ("count(length(list), 'day', 'days')", "3 days"),
        ("first_name('Rosa Amsel')", "Rosa"),
        ("sentence('already sent')", "Already sent."),
        ("after('no by Ada: too: much', ': ')", "too: much"),
        ("after('no', ': ')", None),
        ("without(list, 'b')", ["a", "c"]),
        ("where_not(objects, 'k', `1`)", [{"k": 2}]),
        ("literal(tick)", '`"a\\u0060b"`'),
    ],
)
def test_functions(expression: str, value: Any) -> None:
    scope = {"today": "2026-11-20", "list": ["a", "b", "c"], "objects": [{"k": 1}, {"k": 2}], "tick": "a`b"}
    assert problem_of(expression) is None
    assert value_of(expression, scope) == value


def test_a_literal_cant_break_out_of_an_expression() -> None:
    nasty = "x` || `true"
    expression = fill_text("who == {{ literal(nasty) }}", {"nasty": nasty})
    assert expression is not None
    assert value_of(expression, {"who": "else"}) is False
    assert value_of(expression, {"who": nasty}) is True


def test_filling() -> None:
    scope = {"n": 3, "deep": {"x": [1, 2]}, "text": "{{ n }}", "half": 2.5}
    template = {"whole": "{{ deep.x }}", "in": "n={{ n }}, {{ half }}", "gone": "{{ nothing }}", "kept": "{{ text }}"}
    assert fill(template, scope) == {"whole": [1, 2], "in": "n=3, 2.50", "kept": "{{ n }}"}
    assert fill(["{{ n }} {{ n }}", "{{ nothing }}", True, None], scope) == ["3 3", True]
    assert fill_text("{{ n }} and {{ nothing }}", scope) is None


def test_conditions_about_what_isnt_there_are_false() -> None:
    assert not holds("length(nothing) > `0`", {})
    assert holds(None, {})
    with pytest.raises(ExpressionError, match="length"):
        value_of("length(nothing)", {})


def test_the_smallest_value_of_a_schema() -> None:
    schema = {
        "$defs": {"kind": {"enum": ["a", "b"]}},
        "type": "object",
        "required": ["kind", "n", "items", "name", "note", "sure"],
        "properties": {
            "kind": {"$ref": "#/$defs/kind"},
            "n": {"type": "integer", "minimum": 2},
            "items": {"type": "array", "minItems": 1, "items": {"type": "boolean"}},
            "name": {"type": "string", "minLength": 2},
            "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "sure": {"const": True},
            "more": {"type": "string"},
        },
    }
    found = smallest(schema)
    assert found == {"kind": "a", "n": 2, "items": [False], "name": "--", "note": None, "sure": True}
    endless: dict[str, Any] = {"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#"}}}
    assert smallest(endless)


def test_a_prompt_without_sections_is_its_own_request() -> None:
    prompt: Prompt = read_prompt("chat", {"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
    assert (prompt.request, prompt.task, prompt.agent) == ("Hello", "", "")
