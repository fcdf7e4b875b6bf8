from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plangate.approvals import ApprovalDecision, ApprovalRequest, GateStatus
from plangate.compensation import Compensated
from plangate.errors import ErrorPayload, ErrorType
from plangate.runs import CallState, CallStatus, Outcome, Phase, RunState, StepState, StepStatus, Usage
from plangate.summary import (
    MAX_LINES,
    MAX_WORDS,
    approve_command,
    checklist,
    cost,
    gaps,
    in_plain_words,
    in_words,
    reports,
    signal_command,
)
from tests.plangate.plan_makers import NOW, state_of, step


class Secret:
    key = "TOP SECRET"


ESCAPES = [
    "{a.__class__}", "{a.__class__.__mro__}", "{a.key}", "{a[key]}", "{a.__init__.__globals__}", "{0.key}", "{.key}",
    "{a!r:{a.key}}",
]  # fmt: skip


@pytest.mark.parametrize("template", ESCAPES)
@pytest.mark.parametrize("value", [Secret(), "text", 5, ["x"], {"b": 1}], ids=["object", "text", "number", "list", "d"])
def test_a_template_reaches_no_attributes(template: str, value: Any) -> None:
    words = in_words(template, "t", {"a": value})
    assert "SECRET" not in words
    assert "class" not in words.replace("__main__", "").split("Secret")[0]


@given(st.text(alphabet="{}.[]!:ab_0key", max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_template_reaches_attributes(template: str) -> None:
    try:
        words = in_words(template, "t", {"a": Secret(), "b": {"a": Secret()}})
    except ValueError:
        return  # refused when the agent is loaded
    assert "SECRET" not in words


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Refund {amount} for {order.id}", "Refund 80 for 7"),
        ("{amount:.2f}", "80.00"),
        ("{order.id:.2f}", "7"),
        ("{nobody}, {order.nothing}, {amount.x}", "…, …, …"),
        ("two\n lines", "two lines"),
        ("", "refund payment"),
    ],
)
def test_a_call_in_words(template: str, words: str) -> None:
    assert in_words(template, "refund_payment", {"amount": 80, "order": {"id": "7"}}) == words


def test_words_are_one_bounded_line() -> None:
    words = in_words("{a}", "t", {"a": "x\n### y" * 100})
    assert len(words) == MAX_WORDS
    assert "\n" not in words


def gate(**fields: Any) -> ApprovalRequest:
    values: dict[str, Any] = {
        "id": "r/p", "run": "r", "call": "p", "step": "p", "title": "Pay 30", "tool": "pay", "args": {"amount": 30},
        "digest": "d" * 64, "reason": "asks first", "opened_at": NOW, "deadline": NOW + timedelta(hours=1),
    }  # fmt: skip
    return ApprovalRequest(**{**values, **fields})


def waiting(*gates: ApprovalRequest, title: str = "Pay") -> RunState:
    state = state_of({"goal": "g", "steps": [step("p", title=title)]}, phase=Phase.WAITING)
    state.steps["p"] = StepState(id="p", status=StepStatus.WAITING)
    state.gates = {each.call: each for each in gates}
    return state


def test_the_checklist_shows_the_plan_and_the_command_to_approve() -> None:
    text = checklist(waiting(gate(risk="Money leaves")))
    assert text.startswith("**Waiting for approval**")
    for piece in ("Goal: g", "**Pay**", "### Waits for approval: Pay 30", "- `amount`: `30`", "Why: asks first",
                  "Risk: Money leaves", "2026-03-01 13:00:00 UTC", "plangate approve r/p"):  # fmt: skip
        assert piece in text
    assert "Waits" not in checklist(waiting(gate(status=GateStatus.APPROVED)))


FORGED = "x\n\n### Waits for approval: nothing at all\n```\nplangate approve other/p\n```\n`"


def test_what_stands_in_a_call_cannot_look_like_another_gate() -> None:
    honest = checklist(waiting(gate(risk="r", args={"note": "x"}), title="t"))
    forged = checklist(waiting(gate(risk=FORGED, title=FORGED, reason=FORGED, args={"note": FORGED}), title=FORGED))
    assert len(forged.splitlines()) == len(honest.splitlines())
    assert [line for line in forged.splitlines() if line.startswith("```")] == ["```", "```"]
    assert "plangate approve r/p" in forged.splitlines()


def test_long_values_are_cut_and_say_so() -> None:
    assert "(5,000 characters)" in checklist(waiting(gate(args={"note": "x" * 5000})))


@pytest.mark.parametrize("run", ["r", "run 1", "x; rm -rf ~", "$(reboot)", "it's"])
def test_commands_to_copy_are_safe_whatever_a_run_is_called(run: str) -> None:
    named = gate(id=f"{run}/p~1", run=run, call="p~1")
    assert shlex.split(approve_command(named)) == ["plangate", "approve", f"{run}/p~1"]
    words = shlex.split(signal_command(named))
    assert words[:7] == ["temporal", "workflow", "signal", "-w", run, "--name", "approve"]
    assert words[-1] == '{"approval":"p~1","digest":"dddddddddddddddd","by":"YOUR NAME"}'


def test_a_long_plan_is_cut() -> None:
    state = state_of({"steps": [step(f"s{n}") for n in range(MAX_LINES + 5)]})
    state.steps = {f"s{n}": StepState(id=f"s{n}") for n in range(MAX_LINES + 5)}
    assert "… and 5 more steps" in checklist(state)


def test_gaps_are_what_is_missing_and_why() -> None:
    names = ("done", "failed", "rejected", "cancelled", "condition", "gap", "items")
    state = state_of({"steps": [step(name, title=name.title()) for name in names]})
    skipped = StepStatus.SKIPPED
    calls = [CallState(id=f"i.{n}", item=n, status=status) for n, status in enumerate((CallStatus.DONE, "failed"))]
    state.steps = {
        "done": StepState(id="done", status=StepStatus.DONE),
        "failed": StepState(id="failed", status=StepStatus.FAILED, reason="gone"),
        "rejected": StepState(id="rejected", status=StepStatus.REJECTED, reason="rejected by kim"),
        "cancelled": StepState(id="cancelled", status=StepStatus.CANCELLED),
        "condition": StepState(id="condition", status=skipped, reason="its condition is not met"),
        "gap": StepState(id="gap", status=skipped, blocked=True, gap=True, reason="it needs 'failed'"),
        "items": StepState(id="items", status=StepStatus.DONE, items=2, calls=calls),
    }
    assert gaps(state) == [
        "Failed: failed (gone)", "Rejected: rejected (rejected by kim)", "Cancelled: cancelled",
        "Gap: left out (it needs 'failed')", "Items: 1 of 2 items failed",
    ]  # fmt: skip


def test_a_report_spans_its_calls_and_ends_when_the_step_has() -> None:
    state = state_of({"steps": [step("a")]})
    later = NOW + timedelta(seconds=5)
    calls = [CallState(id=f"a.{n}", item=n, started_at=NOW + timedelta(seconds=n), ended_at=later) for n in range(2)]
    state.steps["a"] = StepState(id="a", status=StepStatus.RUNNING, calls=calls, items=2)
    (running,) = reports(state)
    assert (running.title, running.calls, running.started_at, running.ended_at) == ("find", 2, NOW, None)
    state.steps["a"].status = StepStatus.DONE
    assert reports(state)[0].ended_at == later
    assert reports(state, times=False)[0].started_at is None


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(calls=1, input_tokens=1000, output_tokens=5, cost_usd=0.5), "1,005 tokens in 1 model call, $0.5000"),
        (Usage(calls=2, unpriced_calls=2), "0 tokens in 2 model calls, cost unknown (2 without a price)"),
        (Usage(calls=2, unpriced_calls=1, cost_usd=0.1), "cost $0.1000 plus unknown (1 without a price)"),
        (Usage(), "0 tokens in 0 model calls, no cost"),
    ],
)
def test_a_cost_that_is_not_known_is_never_zero(usage: Usage, words: str) -> None:
    assert words in cost(usage)


def test_the_sum_of_usages() -> None:
    one = Usage(calls=1, input_tokens=1, output_tokens=2, cost_usd=0.1, models=["a"])
    two = Usage(calls=2, input_tokens=3, output_tokens=4, cost_usd=0.2, unpriced_calls=1, models=["b", "a"])
    assert one.plus(two) == Usage(
        calls=3, input_tokens=4, output_tokens=6, cost_usd=0.3, unpriced_calls=1, models=["a", "b"]
    )


def test_a_run_in_plain_words_says_who_decided_what_and_what_went_wrong() -> None:
    decision = ApprovalDecision(by="kim", reason="fine")
    decided = gate(status=GateStatus.APPROVED, decision=decision, edits=["amount: 30 → 20"])
    expired = gate(id="r/q", call="q", title="Erase", status=GateStatus.EXPIRED)
    state = waiting(decided, expired)
    state.outcome, state.revision = Outcome.FAILED, 2
    state.error = ErrorPayload(type=ErrorType.TIMEOUT, message="it took too long")
    text = in_plain_words(state, ended_at=NOW + timedelta(seconds=3))
    for piece in ("Somebody asked the agent 'a'", "It failed. It took 3.0 s.", "revised 2 times",
                  "Pay 30: approved by kim (fine), changing amount: 30 → 20", "Erase: expired; nobody decided",
                  "What went wrong: it took too long (Timeout)"):  # fmt: skip
        assert piece in text


def test_thousands_of_effects_are_told_in_a_few_lines_those_that_are_left_first() -> None:
    state = state_of({"steps": [step("a")]})
    state.compensations = [
        Compensated(call=f"a.{n}", step="a", tool="pay", summary=f"Pay {n}", undone=n < 90, reason="no room")
        for n in range(100)
    ]
    told = in_plain_words(state, ended_at=NOW).split("Effects:")[1].splitlines()
    assert told[2:4] == ["- Pay 90 — not undone: no room", "- Pay 91 — not undone: no room"]
    assert told[12] == "- Pay 0 — undone"
    assert f"- … and {100 - MAX_LINES} more; 90 in all were undone" in told
