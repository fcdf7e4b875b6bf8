from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plangate.approvals import (
    ApprovalDecision,
    ApprovalRequest,
    DecisionAction,
    GateStatus,
    ReceiptStatus,
    differences,
    judge,
    settle,
)
from plangate.gating import gate_of
from plangate.policy import Action, Verdict
from plangate.strictjson import digest
from plangate.tasks import BindTask, Bound
from tests.plangate.plan_makers import NOW

ARGS = {"to": "ann", "amount": 30.0}
DIGEST = digest(ARGS)
GATE = ApprovalRequest(
    id="r/p", run="r", call="p", step="p", tool="pay", args=ARGS, digest=DIGEST, opened_at=NOW,
    deadline=NOW + timedelta(hours=1),
)  # fmt: skip
LATER = NOW + timedelta(minutes=1)

DECISIONS = st.builds(
    ApprovalDecision,
    approval=st.just("r/p"),
    action=st.sampled_from(DecisionAction),
    digest=st.sampled_from([DIGEST, DIGEST[:16], DIGEST.upper(), DIGEST[:15], "", "f" * 64, DIGEST + "0"]),
    by=st.sampled_from(["kim", "lee", ""]),
    args=st.sampled_from([None, {}, {"amount": 1}]),
    response=st.sampled_from([None, "said", 0]),
)
ARRIVALS = st.lists(st.tuples(DECISIONS, st.integers(0, 70)), max_size=12)


def fold(arrivals: list[tuple[ApprovalDecision, int]]) -> tuple[ApprovalRequest, list[ReceiptStatus]]:
    """Judge decisions one after the other, each some minutes after the gate opened."""
    gate, receipts = GATE, []
    for decision, minutes in arrivals:
        now = NOW + timedelta(minutes=minutes)
        status, _ = judge(gate, decision, now=now)
        receipts.append(status)
        if status is ReceiptStatus.APPLIED:
            gate = settle(gate, decision, now=now)
    return gate, receipts


@given(ARRIVALS)
@settings(max_examples=200, deadline=None)
def test_in_any_order_and_multiplicity_at_most_one_decision_applies(
    arrivals: list[tuple[ApprovalDecision, int]],
) -> None:
    gate, receipts = fold(arrivals)
    assert receipts.count(ReceiptStatus.APPLIED) == (1 if gate.settled else 0)
    if gate.settled:
        first = receipts.index(ReceiptStatus.APPLIED)
        assert gate.decision == arrivals[first][0]
        assert set(receipts[first + 1 :]) <= {ReceiptStatus.DUPLICATE, ReceiptStatus.LATE}


@given(ARRIVALS)
@settings(max_examples=200, deadline=None)
def test_the_end_depends_on_nothing_but_the_decision_that_applied(
    arrivals: list[tuple[ApprovalDecision, int]],
) -> None:
    gate, receipts = fold(arrivals)
    applied = [each for each, status in zip(arrivals, receipts, strict=True) if status is ReceiptStatus.APPLIED]
    assert fold(applied)[0] == gate
    assert fold([each for each in arrivals if each not in applied])[0] == GATE or len(applied) == 1


@given(DECISIONS, st.integers(0, 70))
@settings(max_examples=200, deadline=None)
def test_only_a_decision_about_exactly_these_arguments_and_in_time_applies(
    decision: ApprovalDecision, minutes: int
) -> None:
    status, message = judge(GATE, decision, now=NOW + timedelta(minutes=minutes))
    about_these = len(decision.digest) >= 16 and DIGEST.startswith(decision.digest.lower())
    named = about_these or (
        decision.action is DecisionAction.REJECT and DIGEST.startswith(decision.digest.lower())
    )  # fmt: skip
    whole = {DecisionAction.EDIT: decision.args, DecisionAction.RESPOND: decision.response}.get(decision.action, "")
    assert (status is ReceiptStatus.APPLIED) == (named and minutes < 60 and whole is not None)
    assert (status is ReceiptStatus.APPLIED) == (message == "")


def say(gate: ApprovalRequest | None = GATE, **fields: Any) -> tuple[ReceiptStatus, str]:
    now = fields.pop("now", LATER)
    return judge(gate, ApprovalDecision(**{"approval": "r/p", "digest": DIGEST, "by": "kim", **fields}), now=now)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"digest": ""}, ReceiptStatus.INVALID, f"names the digest of the arguments it is about: {DIGEST}"),
        ({"digest": DIGEST[:15]}, ReceiptStatus.INVALID, "its first 16 digits"),
        ({"digest": "0" * 64}, ReceiptStatus.STALE, "about other arguments"),
        ({"action": "reject", "digest": "0" * 64}, ReceiptStatus.STALE, "about other arguments"),
        ({"now": GATE.deadline}, ReceiptStatus.LATE, "expired at 2026-03-01T13:00:00"),
        ({"action": "edit"}, ReceiptStatus.INVALID, "in `args`"),
        ({"action": "respond"}, ReceiptStatus.INVALID, "in `response`"),
        ({"gate": None}, ReceiptStatus.UNKNOWN, "no approval 'r/p' in this run"),
    ],
)
def test_what_does_not_apply_is_told_why(fields: dict[str, Any], status: ReceiptStatus, words: str) -> None:
    found, message = say(**fields)
    assert found is status
    assert words in message


@pytest.mark.parametrize(
    ("action", "fields", "status"),
    [
        (DecisionAction.APPROVE, {}, GateStatus.APPROVED),
        (DecisionAction.EDIT, {"args": {}}, GateStatus.APPROVED),
        (DecisionAction.REJECT, {"digest": ""}, GateStatus.REJECTED),
        (DecisionAction.RESPOND, {"response": 0}, GateStatus.RESPONDED),
    ],
)
def test_what_applies_settles_the_gate(action: DecisionAction, fields: dict[str, Any], status: GateStatus) -> None:
    assert say(action=action, **fields) == (ReceiptStatus.APPLIED, "")
    decision = ApprovalDecision(**{"action": action, "digest": DIGEST, **fields})
    gate = settle(GATE, decision, now=LATER)
    assert (gate.status, gate.decision, gate.decided_at, gate.settled) == (status, decision, LATER, True)
    assert (gate.args, gate.digest) == (GATE.args, GATE.digest)


def test_after_a_decision_the_same_again_is_a_duplicate_and_another_is_late() -> None:
    gate = settle(GATE, ApprovalDecision(digest=DIGEST, by="kim"), now=LATER)
    status, message = say(gate)
    assert status is ReceiptStatus.DUPLICATE
    assert "already approved by kim at 2026-03-01T12:01:00+00:00; nothing was changed" in message
    assert say(gate, by="lee")[0] is ReceiptStatus.LATE
    assert say(gate, action="reject")[0] is ReceiptStatus.LATE
    answered = settle(GATE, ApprovalDecision(action="respond", response="yes", by="kim"), now=LATER)
    assert say(answered, action="respond", response="yes")[0] is ReceiptStatus.DUPLICATE
    assert say(answered, action="respond", response="no")[0] is ReceiptStatus.LATE


@pytest.mark.parametrize("status", [GateStatus.EXPIRED, GateStatus.WITHDRAWN])
def test_a_gate_that_closed_by_itself_takes_no_decision(status: GateStatus) -> None:
    found, message = say(GATE.model_copy(update={"status": status}))
    assert found is ReceiptStatus.LATE
    assert f"already {status.value} at before" in message


def test_differences_are_one_line_a_field() -> None:
    old, new = {"a": 1, "b": [1], "c": "x"}, {"a": 2, "b": [1], "d": None}
    assert differences(old, new) == ["a: 1 → 2", "c: 'x' → (not given)", "d: (not given) → None"]
    assert differences(old, dict(old)) == []


def test_a_gate_shows_what_was_bound_and_is_bound_to_it() -> None:
    task = BindTask(
        run="r", agent="desk", agent_version="av", user="u", step="p", call="p.1", tool="pay", args={"raw": 1},
        opened_at=NOW, deadline=LATER, revision=2, risk="ignored",
    )  # fmt: skip
    verdict = Verdict(action=Action.ASK, rule="scope.tools.pay", reason="it asks first")
    gate = gate_of(task, Bound(args=ARGS, digest=DIGEST, verdict=verdict, risk="money"), tool_version="tv")
    assert (gate.id, gate.run, gate.call, gate.step, gate.title) == ("r/p.1", "r", "p.1", "p", "p")
    assert (gate.args, gate.digest, gate.tool_version, gate.agent_version) == (ARGS, DIGEST, "tv", "av")
    assert (gate.rule, gate.reason, gate.risk, gate.revision) == ("scope.tools.pay", "it asks first", "money", 2)
    assert (gate.opened_at, gate.deadline, gate.status) == (NOW, LATER, GateStatus.PENDING)
