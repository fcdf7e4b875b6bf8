"""What a run carries into its next history: small, and whole again afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plangate.approvals import ApprovalDecision, ApprovalRequest, GateStatus, Receipt
from plangate.carrying import lists_with_args, pack, unpack
from plangate.errors import ErrorPayload, ErrorType
from plangate.keys import approval_id
from plangate.packing import from_ranges, to_ranges
from plangate.resuming import key_of
from plangate.runs import CallState, CallStatus, Result, RunRequest, RunState, StepState, StepStatus

AT = datetime(2030, 1, 1, tzinfo=UTC)


def a_run(items: int, *, status: StepStatus = StepStatus.RUNNING) -> tuple[RunState, StepState]:
    state = RunState(request=RunRequest(agent="desk"), started_at=AT, effect_identity="run-1")
    step = state.steps["each"] = StepState(id="each", items=items, status=status)
    for item in range(items):
        call = CallState(
            id=f"each.{item}",
            item=item,
            status=CallStatus.DONE,
            tool="look",
            summary=f"Look at {item}",
            same=f"{item:016x}",
            started_at=AT + timedelta(milliseconds=item),
            ended_at=AT + timedelta(milliseconds=item + 20),
        )
        call.result = Result(key=key_of(state, step, call, namespace="default"), size=40, value="x" * 38)
        step.calls.append(call)
    return state, step


def carried(state: RunState) -> tuple[RunState, int]:
    """The state on the other side, and its size on the way."""
    text = pack(state, namespace="default").model_dump_json(exclude_defaults=True)
    found = RunState.model_validate_json(text)
    unpack(found)
    return found, len(text)


@given(st.sets(st.integers(0, 10_000)))
def test_ranges_give_their_numbers_again(numbers: set[int]) -> None:
    assert list(from_ranges(to_ranges(sorted(numbers)))) == sorted(numbers)


def test_items_whose_arguments_are_put_away_are_packed_with_where_they_are() -> None:
    state, step = a_run(10_000)
    for call in step.calls:
        call.args = {"what": f"thing {call.item}"}
    ((found_step, calls),) = lists_with_args(state)
    assert (found_step, len(calls)) == (step, 10_000)
    assert carried(state)[1] > 2_000_000, "as they are they are more than a payload may have"
    for index, call in enumerate(calls):
        call.args, call.args_key, call.args_index = None, f"args-{index // 4000}", index % 4000
    missing = step.calls.pop(4711)
    found, size = carried(state)
    assert size < 150_000
    again = found.steps["each"].calls
    assert [(c.item, c.args_key, c.args_index) for c in again] == [
        (c.item, c.args_key, c.args_index) for c in step.calls if c is not missing
    ]
    assert carried(found)[1] < 150_000, "and once more, as a dead letter is resumed"
    assert lists_with_args(found) == []


def test_ten_thousand_items_take_little_and_lose_nothing() -> None:
    state, step = a_run(10_000)
    found, size = carried(state)
    assert size < 150_000  # of 2 MB; unpacked they are 2.8 MB
    calls = found.steps["each"].calls
    same = ("id", "item", "status", "tool", "same", "gate", "nth")
    assert [[getattr(c, n) for n in same] for c in calls] == [[getattr(c, n) for n in same] for c in step.calls]
    assert [c.result.key for c in calls if c.result] == [c.result.key for c in step.calls if c.result]
    assert not any(c.result.inline for c in calls if c.result)
    assert sum(c.result.size for c in calls if c.result) == 400_000
    assert min(c.started_at for c in calls if c.started_at) == AT
    assert [c.ended_at for c in calls] == sorted(c.ended_at for c in step.calls if c.ended_at)
    assert step.packed == []  # the given state stays as it is
    assert len(step.calls) == 10_000


def test_failed_refused_and_unfinished_items_keep_what_is_told_of_them() -> None:
    state, step = a_run(100)
    for call in step.calls[:40]:
        call.status, call.result = CallStatus.FAILED, None
        call.error = ErrorPayload(type=ErrorType.BUSINESS, message=f"no to {call.item}", step="each")
    step.calls[50].status, step.calls[50].result = CallStatus.REJECTED, None
    step.calls[60].status, step.calls[60].result = CallStatus.WAITING, None
    step.calls[70].args = {"n": 1}
    for call in step.calls[80:90]:
        call.gate = approval_id("an/older/run", call.id)
    found, _ = carried(state)
    calls = found.steps["each"].calls
    assert [c.status for c in calls] == [c.status for c in step.calls]
    assert [c.gate for c in calls] == [c.gate for c in step.calls]
    assert calls[60] == step.calls[60]
    assert calls[70].args == {"n": 1}
    words = [c.error.message for c in calls[:40] if c.error]
    assert words[:20] == [f"no to {n}" for n in range(20)]
    assert len(words) == 40
    assert {c.error.type for c in calls[:40] if c.error} == {ErrorType.BUSINESS}


def test_what_can_not_be_computed_again_is_carried_as_it_is() -> None:
    state, step = a_run(100)
    step.calls[1].result = Result(value="a person's answer")
    step.calls[2].result = Result(key="another key", size=10, value="as it was")
    calls = carried(state)[0].steps["each"].calls
    assert calls[1].result == step.calls[1].result
    assert calls[2].result == step.calls[2].result


def test_a_list_that_is_not_tiny_is_evaluated_again() -> None:
    state, step = a_run(60)
    step.items_ref = Result(value=list(range(60)))
    assert carried(state)[0].steps["each"].items_ref == step.items_ref
    step.items_ref = Result(value=["x" * 100] * 60)
    assert carried(state)[0].steps["each"].items_ref is None
    step.items_ref = Result(key="k", inline=False)
    assert carried(state)[0].steps["each"].items_ref == step.items_ref


def test_many_small_results_stay_in_the_database() -> None:
    state = RunState(request=RunRequest(agent="desk"), started_at=AT)
    for number in range(1000):
        result = Result(key=f"k{number}", size=1000, value="x" * 998)
        call = CallState(id=f"s{number}", status=CallStatus.DONE, tool="look", result=result)
        state.steps[call.id] = StepState(id=call.id, status=StepStatus.DONE, calls=[call])
    found, size = carried(state)
    assert size < 500_000
    assert found.steps["s1"].calls[0].result == Result(key="k1", size=1000, inline=False)


@pytest.mark.parametrize("recorded", [True, False])
def test_the_oldest_of_very_many_settled_gates_stay_in_the_database(recorded: bool) -> None:
    state, step = a_run(2000)
    for call in step.calls:
        decision = ApprovalDecision(approval=call.id, by="kim")
        state.gates[call.id] = ApprovalRequest(
            id=approval_id("run-1", call.id),
            run="run-1",
            call=call.id,
            step="each",
            tool="pay",
            args={"to": "ann"},
            digest="0" * 64,
            opened_at=AT,
            deadline=AT,
            status=GateStatus.APPROVED,
            decision=decision,
        )
        if not recorded:
            state.unrecorded.append(Receipt(status="applied", approval=call.id, decision=decision))
    found, _ = carried(state)
    assert found.gates_left == (2000 - len(found.gates) if recorded else 0)
    assert len(found.gates) == 2000 if not recorded else 0 < len(found.gates) < 1000
    assert "each.1999" in found.gates
