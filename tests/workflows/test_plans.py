from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from plangate.errors import ErrorType
from plangate.run_status import RunResult
from plangate.runs import Outcome, StepStatus
from tests.workflows.desk import Desk, result_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


def step(id: str, tool: str = "look", **fields: Any) -> dict[str, Any]:
    return {"id": id, "tool": tool, **fields}


def statuses(result: RunResult) -> dict[str, StepStatus]:
    return {report.id: report.status for report in result.steps}


async def test_a_model_plans_tools_run_and_a_model_answers(desk: Desk) -> None:
    plan = {"goal": "see", "steps": [step("a", args={"value": {"n": 1}}), step("b", args={"value": {"$ref": "a.n"}})]}
    desk.model.script(plan, "It is 1.")
    result = await desk.run("what is it?", user="kim@example.com")
    assert (result.outcome, result.answer, result.user) == (Outcome.COMPLETED, "It is 1.", "kim@example.com")
    assert result.usage.calls == 2
    assert result.usage.cost_usd > 0
    assert (await desk.store.usage_of_run(result.run)).calls == 2


async def test_references_lists_conditions_and_order(desk: Desk) -> None:
    plan = {
        "steps": [
            step("list", args={"value": {"items": [3, 1, 2], "go": False}}),
            step("each", args={"value": {"$ref": "item"}}, for_each="list.items"),
            step("never", args={"value": 1}, when="list.go"),
            step("after_never", args={"value": "ran"}, after=["never"]),
            step("needs_never", args={"value": {"$ref": "never"}}),
            step("sum", args={"value": {"all": {"$ref": "each"}, "first": {"$ref": "each[0]"}}}),
        ]
    }
    desk.model.script("done")
    result = await desk.run(plan=plan)
    assert result.outcome is Outcome.COMPLETED  # `needs_never` was not called for: no gap
    assert statuses(result) == {
        "list": StepStatus.DONE,
        "each": StepStatus.DONE,
        "never": StepStatus.SKIPPED,
        "after_never": StepStatus.DONE,
        "needs_never": StepStatus.SKIPPED,
        "sum": StepStatus.DONE,
    }
    assert not result.gaps
    stored = desk.model.requests[-1].input
    assert '"all"' in stored
    assert "[3,1,2]" in stored.replace(" ", "")


async def test_independent_steps_run_at_the_same_time(desk: Desk) -> None:
    """Two calls that each wait for the other's effect can only end if they overlap."""
    desk.model.script("done")
    plan = {"steps": [step(f"s{n}", "slow", args={"seconds": 0.15}) for n in range(4)]}
    result = await desk.run(plan=plan)
    starts = [report.started_at for report in result.steps]
    ends = [report.ended_at for report in result.steps]
    assert all(starts)
    assert all(ends)
    assert max(moment for moment in starts if moment) < min(moment for moment in ends if moment)


async def test_an_optional_step_that_fails_is_a_gap(desk: Desk) -> None:
    desk.model.script("mostly done")
    plan = {"steps": [step("a"), step("b", "fail", args={"how": "permanent"}, optional=True)]}
    result = await desk.run(plan=plan)
    assert result.outcome is Outcome.DEGRADED
    assert "gone for good" in result.gaps[0]


async def test_a_fallback_takes_the_place_of_a_failed_step(desk: Desk) -> None:
    desk.model.script("done")
    plan = {
        "steps": [
            step("a", "fail", args={"how": "permanent"}, fallback={"tool": "look", "args": {"value": 7}}),
            step("b", args={"value": {"$ref": "a"}}),
            step("c", "fail", args={"how": "business"}, fallback={"value": "canned"}),
            step("d", args={"value": {"$ref": "c"}}),
        ]
    }
    result = await desk.run(plan=plan)
    assert result.outcome is Outcome.COMPLETED, result.summary
    assert set(statuses(result).values()) == {StepStatus.DONE}


async def test_transient_faults_are_retried_three_times(desk: Desk) -> None:
    desk.model.script("done")
    result = await desk.run(plan={"steps": [step("a", "fail", args={"how": "transient", "times": 2})]})
    assert result.outcome is Outcome.COMPLETED
    assert [effect["attempt"] for effect in desk.effects(tool="fail")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("how", "type", "attempts"),
    [("transient", ErrorType.UNAVAILABLE, 3), ("permanent", ErrorType.PERMANENT, 1), ("bug", ErrorType.BUG, 1)],
)
async def test_a_critical_failure_ends_the_run_clearly(desk: Desk, how: str, type: ErrorType, attempts: int) -> None:
    result = await desk.run(plan={"steps": [step("a", "fail", args={"how": how}), step("b", after=["a"])]})
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert (result.error.type, result.error.step, result.error.attempted) == (type, "a", "fail")
    assert result.error.attempts == attempts
    assert result.error.input == {"how": how, "times": 99}
    assert len(desk.effects(tool="fail")) == attempts
    assert not desk.effects(tool="look")


@pytest.mark.parametrize(
    ("tool", "args", "type", "given"),
    [
        ("look", {"value": {"$ref": "input.no"}}, ErrorType.UNRESOLVED_REFERENCE, {"value": {"$ref": "input.no"}}),
        ("pay", {"to": {"$ref": "input.no"}, "amount": 5}, ErrorType.UNRESOLVED_REFERENCE, None),
        (
            "pay",
            {"to": "ann", "amount": {"$ref": "input.much"}},
            ErrorType.INVALID_ARGUMENTS,
            {"to": "ann", "amount": 5e6},
        ),
    ],
)
async def test_the_error_of_a_call_that_was_never_made_says_of_what(
    desk: Desk, tool: str, args: dict[str, Any], type: ErrorType, given: dict[str, Any] | None
) -> None:
    plan = {"steps": [step("a", tool, args=args), step("b", after=["a"])]}
    result = await desk.run(plan=plan, input={"much": 5e6})
    assert result.error is not None
    assert (result.error.type, result.error.step, result.error.attempted) == (type, "a", tool)
    assert (result.error.input, result.error.attempts) == (given or args, 0)
    assert result.error.next == "the run ends"


async def test_an_error_says_what_happens_next(desk: Desk) -> None:
    no = {"how": "business"}
    desk.model.script(
        {
            "steps": [
                step("a", "fail", args=no, optional=True),
                step("b", "fail", args=no, fallback={"value": 1}),
                step("c", "slow", args={"seconds": 30}, after=["a", "b"]),
            ]
        },
        {"steps": []},
        "done",
    )
    handle = await desk.start()
    result = await result_of(handle)
    found = {each.id: each.error for each in result.steps if each.error}
    assert {name: error.next for name, error in found.items()} == {
        "a": "the run goes on without it",
        "c": "the plan is revised",
    }
    assert found["c"].input == {"seconds": 30}, "a time limit that Temporal keeps says with what it was met"


async def test_a_tool_that_hangs_meets_its_time_limit(desk: Desk) -> None:
    result = await desk.run(plan={"steps": [step("a", "slow", args={"seconds": 30})]})
    assert result.error is not None
    assert result.error.type is ErrorType.TIMEOUT
    assert "0.3 s" in result.error.message


async def test_a_result_that_the_type_forbids_names_the_field(desk: Desk) -> None:
    result = await desk.run(plan={"steps": [step("a", "wrong")]})
    assert result.error is not None
    assert result.error.type is ErrorType.INVALID_RESULT
    assert "count" in result.error.message


async def test_the_planner_revises_after_a_failure_and_finished_steps_do_not_run_again(desk: Desk) -> None:
    first = {"steps": [step("a", args={"value": 1}), step("b", "fail", args={"how": "business"}, after=["a"])]}
    second = {"steps": [step("c", args={"value": {"$ref": "a"}})]}
    desk.model.script(first, second, "done otherwise")
    result = await desk.run()
    assert result.outcome is Outcome.DEGRADED
    assert result.revision == 1
    assert [effect["call"] for effect in desk.effects(tool="look")] == ["a", "c~1"]
    assert "the far side said no" in desk.model.requests[1].input


async def test_look_first_plans_the_rest_from_what_was_found(desk: Desk) -> None:
    first = {"needs": "look first", "steps": [step("a", args={"value": {"id": 5}})]}
    second = {"steps": [step("b", args={"value": {"$ref": "a.id"}})]}
    desk.model.script(first, second, "5")
    result = await desk.run()
    assert result.outcome is Outcome.COMPLETED
    assert statuses(result) == {"a": StepStatus.DONE, "b": StepStatus.DONE}


async def test_the_number_of_revisions_is_bounded(desk: Desk) -> None:
    plans = [
        {"steps": [step(f"a{n}", args={"value": n}), step(f"f{n}", "fail", args={"how": "business"}, after=[f"a{n}"])]}
        for n in range(5)
    ]
    desk.model.script(*plans)
    result = await desk.run()
    assert result.outcome is Outcome.ESCALATED
    assert result.revision == 2
    assert len(desk.effects(tool="fail")) == 3
    assert [verdict.rule for verdict in result.verdicts] == ["limits.revisions"]
    assert "as often as the scope allows (`limits.revisions`)" in result.summary


async def test_an_empty_plan_is_answered_at_once(desk: Desk) -> None:
    desk.model.script({"goal": "greet", "steps": []}, "Hello!")
    result = await desk.run("hi")
    assert (result.outcome, result.answer) == (Outcome.COMPLETED, "Hello!")


@pytest.mark.parametrize(("action", "outcome"), [("decline", Outcome.DECLINED), ("hand_over", Outcome.ESCALATED)])
async def test_a_planner_may_decline_or_hand_over(desk: Desk, action: str, outcome: Outcome) -> None:
    desk.model.script({"action": action, "message": "Sorry, not here.", "plan": None})
    result = await desk.run("write a poem")
    assert (result.outcome, result.answer) == (outcome, "Sorry, not here.")


async def test_a_callers_plan_with_mistakes_fails_with_all_of_them(desk: Desk) -> None:
    plan = {
        "steps": [step("a", "lok"), step("b", "pay", args={"to": 5}), step("c", "forbidden"), step("c", after=["x"])]
    }
    result = await desk.run(plan=plan)
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert result.error.type is ErrorType.INVALID_PLAN
    text = "\n".join(result.error.details)
    for piece in ("did you mean 'look'", "args.amount", "never used", "stands twice", "no other step 'x'"):
        assert piece in text
    assert not desk.effects()


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "\x00\x01\x02\x03"])
async def test_a_request_that_is_empty_long_or_not_text_is_declined_at_no_cost(desk: Desk, text: str) -> None:
    result = await desk.run(text)
    assert result.outcome is Outcome.DECLINED
    assert result.usage.calls == 0
    assert not desk.model.requests


async def test_an_unknown_agent_names_the_nearest(desk: Desk) -> None:
    handle = await desk.client.start_workflow(
        "AgentRun",
        {"agent": "desc", "request": "x"},
        id="unknown-agent",
        task_queue=desk.task_queue,
        result_type=RunResult,
    )
    result = await result_of(handle)
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert result.error.type is ErrorType.UNKNOWN_AGENT
    assert "'desk'" in result.error.message


async def test_large_results_never_enter_history(desk: Desk) -> None:
    plan = {
        "steps": [
            step("big", "large", args={"size": 300_000}),
            step("one", args={"value": {"$ref": "big.items[1].id"}}),
            step("each", args={"value": {"$ref": "item.id"}}, for_each="big.items"),
            step("maybe", args={"value": 1}, when="big.size > `10`"),
            step("copy", "large", args={"size": {"$ref": "length(big.text)"}}),
        ]
    }
    desk.model.script("done")
    handle = await desk.start(plan=plan)
    result = await result_of(handle)
    assert result.outcome is Outcome.COMPLETED, result.summary
    history = await handle.fetch_history()
    sizes = [event.ByteSize() for event in history.events]
    assert max(sizes) < 70_000
    assert sum(sizes) < 100_000


async def test_large_arguments_reach_a_tool_by_reference(desk: Desk) -> None:
    plan = {"steps": [step("big", "large", args={"size": 200_000}), step("echo", args={"value": {"$ref": "big.text"}})]}
    desk.model.script("done")
    handle = await desk.start(plan=plan)
    result = await result_of(handle)
    assert result.outcome is Outcome.COMPLETED, result.summary
    history = await handle.fetch_history()
    assert max(event.ByteSize() for event in history.events) < 70_000


async def test_more_calls_than_the_scope_allows_hand_over(desk: Desk) -> None:
    desk.model.script("done")
    items = list(range(1001))
    plan = {"steps": [step("a", args={"value": items}), step("b", args={"value": 1}, for_each="a")]}
    result = await desk.run(plan=plan)
    assert result.outcome is Outcome.ESCALATED
    assert result.error is not None
    assert result.error.type is ErrorType.LIMIT_REACHED


async def test_a_ledger_tool_commits_effect_and_row_together(desk: Desk) -> None:
    desk.model.script("done")
    plan = {
        "steps": [
            step("ok", "book", args={"what": "room", "fault": "once"}),
            step("no", "book", args={"what": "full", "fault": "business"}, optional=True),
        ]
    }
    result = await desk.run(plan=plan)
    assert result.outcome is Outcome.DEGRADED
    async with desk.store.reading() as connection:
        booked = (await connection.execute(text("SELECT what FROM bookings"))).scalars().all()
        states = (await connection.execute(text("SELECT call, state FROM ledger ORDER BY call"))).all()
    assert list(booked) == ["room"]
    assert [tuple(row) for row in states] == [("no", "failed"), ("ok", "done")]
