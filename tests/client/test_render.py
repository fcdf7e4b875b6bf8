"""What people see, at 80 columns and without colours."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from client.listing import RunLine
from client.render.checklist import Checklist
from client.render.gates import gate_box
from client.render.outcome import print_result
from client.render.run import print_run
from client.render.tables import print_inbox, print_runs
from client.render.text import clean, in_words, money, short
from plangate.approvals import ApprovalRequest
from plangate.errors import ErrorPayload, ErrorType
from plangate.policy import Action, Verdict
from plangate.provenance import Origin, Provenance, Source
from plangate.reporting import result_of, status_of
from plangate.run_status import RunResult, RunStatus, StepReport
from plangate.runs import Outcome, Phase, RunRequest, StepState, StepStatus, Usage
from plangate.wording import short_duration
from tests.plangate.plan_makers import state_of, step

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def drawn(thing: object, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=stream, width=80, highlight=False, markup=False, emoji=False).print(thing)
    stream.flush()
    return raw.getvalue().decode(encoding)


def gate(**fields: object) -> ApprovalRequest:
    values = {
        "id": "r/refund",
        "run": "r",
        "call": "refund",
        "step": "refund",
        "tool": "refund_payment",
        "title": "Refund 62",
        "digest": "0" * 64,
        "opened_at": NOW,
        "deadline": NOW + timedelta(hours=1),
        **fields,
    }
    return ApprovalRequest.model_validate(values)


def status(steps: list[StepReport]) -> RunStatus:
    return RunStatus(run="r", agent="a", phase=Phase.EXECUTING, steps=steps)


def test_what_others_wrote_cannot_steer_the_terminal_or_hide_an_argument() -> None:
    assert clean("a\x1b[31mb\u202ec\u200bd\r\n") == "a\\u001b[31mb\\u202ec\\u200bd\n"
    shown = drawn(gate_box(gate(args={"note": "pay [red]me[/red] \x1b[2J\u202e"}, risk="\x07")))
    assert "\x1b" not in shown
    assert "[red]me[/red] \\u001b[2J\\u202e" in shown


def test_a_gate_shows_every_argument_and_counts_what_it_leaves_out() -> None:
    args = {"text": "x" * 5000, "items": [{"id": 1}], "none": None}
    shown = drawn(gate_box(gate(args=args, reason="the scope says so", risk="money"), command=True))
    assert "3,500 characters more" in shown.replace("\n", " ")
    assert '[{"id": 1}]' in shown
    assert "null" in shown
    assert "plangate approve r/refund" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_a_long_plan_is_shown_around_what_moves() -> None:
    states = [StepStatus.DONE] * 50 + [StepStatus.RUNNING] + [StepStatus.PENDING] * 49
    steps = [StepReport(id=f"s{n}", title=f"Step {n}", tool="t", status=state) for n, state in enumerate(states)]
    shown = drawn(Checklist(status(steps), rows=10))
    assert "… 47 steps before" in shown
    assert "Step 50" in shown
    assert "… 43 more steps" in shown
    assert len(drawn(Checklist(status(steps))).splitlines()) == 100


def test_a_terminal_that_knows_only_ascii_gets_ascii() -> None:
    steps = [StepReport(id="s", title="Step", tool="t", status=state) for state in StepStatus]
    assert drawn(Checklist(status(steps)), "ascii").isascii()


def test_reasons_of_steps_that_did_not_work_are_shown() -> None:
    step = StepReport(id="s", title="Step", tool="t", status=StepStatus.REJECTED, reason="rejected by ada: too much")
    assert "rejected by ada: too much" in drawn(Checklist(status([step])))


def test_the_end_of_a_run_is_told_once_and_costs_are_never_made_up() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80)
    result = RunResult(
        run="r",
        agent="a",
        outcome=Outcome.DEGRADED,
        answer="[bold]Hello[/bold]",
        summary="# Title\n\n**Done**\n- one\n  - `two`",
        usage=Usage(calls=2, unpriced_calls=2),
    )
    print_result(console, result, url="http://ui/r")
    shown = out.getvalue()
    assert "[bold]Hello[/bold]" in shown
    assert "• one\n    • `two`" in "\n".join(line.rstrip() for line in shown.splitlines())
    assert "http://ui/r" in shown
    assert money(result.usage) == "cost unknown"
    assert money(Usage(calls=2)) == "no cost"
    assert money(Usage(calls=2, unpriced_calls=1, cost_usd=0.5)) == "$0.5000 + 1 calls of unknown cost"


def test_a_list_of_runs_fits_into_80_columns_without_losing_an_id_or_a_status() -> None:
    out = io.StringIO()
    started = datetime.now(UTC) - timedelta(days=2)
    line = RunLine(
        run="support-c32olltc", user="someone.with.a.name@example.com", status="waiting for approval", pending=2
    )
    lines = [line.model_copy(update={"started_at": started, "cost_usd": 0.0123}), RunLine(run="x", status="completed")]
    print_runs(Console(file=out, width=80), lines)
    shown = out.getvalue()
    assert max(len(row) for row in shown.splitlines()) <= 80
    for whole in ("support-c32olltc", "waiting (2)", "2 d 0 h", "$0.0123", "completed"):
        assert whole in shown


def test_a_step_is_told_by_its_call_which_follows_an_edit_not_by_its_title() -> None:
    done = {"tool": "refund_payment", "status": StepStatus.DONE}
    edited = StepReport(id="s", title="Refund £62.00", summary="Refund £55.50 for order 1042", **done)
    assert "Refund £55.50" in drawn(Checklist(status([edited])))
    assert "£62.00" not in drawn(Checklist(status([edited])))
    assert in_words(edited.model_copy(update={"summary": ""})) == "Refund £62.00"
    assert in_words(edited.model_copy(update={"summary": "refund payment"})) == "Refund £62.00"


def test_mistakes_of_a_broken_agent_are_listed_and_its_command_keeps_its_backticks() -> None:
    out = io.StringIO()
    message = "its folder has 2 mistakes; see `plangate agents validate broken`"
    error = ErrorPayload(type=ErrorType.BROKEN_AGENT, message=message, details=["tools.py:1: no", "agent.yaml:2: no"])
    result = RunResult(run="r", agent="broken", outcome=Outcome.FAILED, summary=f"It failed: {message}", error=error)
    print_result(Console(file=out, width=80), result)
    assert out.getvalue().count("`plangate agents validate broken`") == 1
    assert "- tools.py:1: no" in out.getvalue()
    assert "- agent.yaml:2: no" in out.getvalue()


def test_every_line_of_the_inbox_is_indented_below_its_gate() -> None:
    out = io.StringIO()
    args = {"order_id": "1042", "amount": 62.0, "reason": "It arrived broken, in spite of the bubble wrap"}
    print_inbox(Console(file=out, width=80), [gate(args=args, agent="support", risk="Money leaves. " * 10)])
    head, *lines, last = [line for line in out.getvalue().splitlines() if line.strip()]
    assert "Refund 62" in head
    assert all(line.startswith("  ") for line in lines)
    assert last.startswith("Also")


def test_durations_and_short_texts() -> None:
    assert [short_duration(s) for s in (-1, 0.04, 9.94, 9.96, 59.6, 3599, 7300, 100000)] == [
        "0.0 s",
        "0.0 s",
        "9.9 s",
        "10 s",
        "1 min 0 s",
        "59 min 59 s",
        "2 h 1 min",
        "1 d 3 h",
    ]
    assert short("a\n b" * 40, 10) == "a ba ba b…"


def test_the_inbox_says_which_arguments_hold_text_of_others() -> None:
    source = Source(origin=Origin.TOOL, trusted=False, tool="get_order", path="order.note", text="pay me")
    trusted = Provenance(argument="amount", sources=[Source(origin=Origin.PLAN)])
    asked = gate(
        provenance=[Provenance(argument="reason", sources=[source]), trusted], reason="it holds text of others"
    )
    out = io.StringIO()
    print_inbox(Console(file=out, width=80), [asked])
    assert "reason: text of others: order.note (get_order)" in out.getvalue()
    assert "why: it holds text of others" in out.getvalue()
    assert "amount: " not in out.getvalue()


def test_the_page_of_a_run_says_each_thing_once() -> None:
    state = state_of({"steps": [step("s0", title="Look it up"), step("s1", title="Tell them")]})
    state.steps = {
        "s0": StepState(id="s0", status=StepStatus.DONE),
        "s1": StepState(id="s1", status=StepStatus.FAILED, reason="no such address"),
    }
    state.request = RunRequest(agent="desk", request="please tell them", user="ada")
    state.outcome, state.error = Outcome.FAILED, ErrorPayload(message="no such address")
    state.add_verdicts([Verdict(action=Action.BLOCK, rule="scope.x", reason="not today")])
    result = result_of(state, "r", now=state.started_at + timedelta(seconds=3))
    out = io.StringIO()
    print_run(Console(file=out, width=80), status_of(state, "r"), result, url="http://ui/r")
    page = out.getvalue()
    for words in ("please tell them", "Look it up", "Tell them", "no such address", "Failed", "3.0 s"):
        assert page.count(words) == 1, (words, page)
    for words in ("Guardrails:", "• refused by scope.x: not today", "No model was asked."):
        assert words in page
    whole = io.StringIO()
    print_result(Console(file=whole, width=80), result)
    for words in ("please tell them", "Look it up", "What went wrong: no such address"):
        assert words in whole.getvalue(), "without the plan above it the summary is whole"
