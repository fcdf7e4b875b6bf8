"""What a run does when it reaches one of its limits, or goes round in circles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from plangate.errors import ErrorType
from plangate.run_status import RunResult
from plangate.runs import Event, Outcome, StepStatus
from tests.fake_model import hang, quota_exhausted
from tests.workflows import desk as desks
from tests.workflows.desk import Desk, eventually, pending, result_of
from tests.workflows.limited import limited

pytestmark = pytest.mark.asyncio(loop_scope="session")


def step(id: str, tool: str = "look", *after: str, **more: Any) -> dict[str, Any]:
    args = more.pop("args", {"value": id} if tool == "look" else {})
    return {"id": id, "tool": tool, "args": args, "after": list(after), **more}


def failing(id: str, *after: str, times: int = 99, **more: Any) -> dict[str, Any]:
    return step(id, "fail", *after, args={"how": "business", "times": times}, **more)


def rules(result: RunResult) -> list[str]:
    return [verdict.rule for verdict in result.verdicts if verdict.guard.startswith("run.")]


async def stopped(handle: WorkflowHandle[Any, Any]) -> str:
    """The timeline's line about the stop."""
    events = await handle.query("timeline", result_type=list[Event])
    (line,) = [event.text for event in events if event.kind == "stopped"]
    return line


async def test_when_the_time_is_over_the_answer_says_what_is_there(client: Client, tmp_path: Path) -> None:
    """An effect that is under way is waited for, a read isn't, and nothing new starts."""
    agents = limited(tmp_path, Time_for_a_run="5 seconds")
    plan = [
        step("a"),
        step("read", "wait_for", args={"word": "never"}),
        step("d", "deliver", args={"what": "parcel"}),
        step("p", "pay", "d", args={"to": "ann", "amount": 5}),
    ]
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        desk.model.script("This is what I have.")
        handle = await desk.start(plan={"steps": plan})

        async def time_is_over() -> bool:
            history = await handle.fetch_history()
            return any(event.event_type == EventType.EVENT_TYPE_TIMER_FIRED for event in history.events)

        await eventually(time_is_over)
        desk.say("parcel")
        result = await result_of(handle)
        assert (result.outcome, result.answer) == (Outcome.DEGRADED, "This is what I have.")
        statuses = {report.id: report.status for report in result.steps}
        assert statuses == {
            "a": StepStatus.DONE,
            "d": StepStatus.DONE,
            "read": StepStatus.CANCELLED,
            "p": StepStatus.SKIPPED,
        }
        assert len(desk.effects(tool="deliver")) == 1
        assert not desk.effects(tool="pay")
        reason = "the time for the run, 5 seconds, is over"
        assert result.gaps == [f"wait for: cancelled ({reason})", f"pay: left out ({reason})"]
        assert await stopped(handle) == f"{reason} (limits.time); a partial answer from what is there"
        assert rules(result) == ["limits.time"]
        assert result.error is None


async def test_a_planner_that_takes_too_long_is_not_waited_for(client: Client, tmp_path: Path) -> None:
    sections = "## When we can't answer\n| When | What we say |\n|---|---|\n| A person takes over | Kim will write. |\n"
    agents = limited(tmp_path, sections=sections, Time_for_a_run="1 second")
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        desk.model.script(hang())
        result = await desk.run()
        assert (result.outcome, result.answer) == (Outcome.ESCALATED, "Kim will write.")
        assert rules(result) == ["limits.time"]


async def test_steps_that_fail_in_a_row_stop_the_run(client: Client, tmp_path: Path) -> None:
    agents = limited(tmp_path, Failed_steps_in_a_row="3 steps")
    plan = [
        step("a"),
        *(failing(f"f{n}", f"f{n - 1}" if n else "a", optional=True, title=f"try {n}") for n in range(5)),
    ]
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        result = await desk.run(plan={"steps": [*plan, step("last", "pay", "f4", args={"to": "ann", "amount": 5})]})
        assert result.outcome is Outcome.ESCALATED
        assert rules(result) == ["limits.failures-in-a-row"]
        assert len(desk.effects(tool="fail")) == 3
        assert not desk.effects(tool="pay")
        assert result.error is not None
        assert (result.error.type, result.error.step, result.error.next) == (
            ErrorType.BUSINESS,
            "f2",
            "a person takes over",
        )
        assert "Tried, and it failed: try 1: the far side said no" in result.summary
        assert "Left to do: pay" in result.summary
        assert "a person takes over" in result.answer


async def test_a_scope_may_want_a_failure(client: Client, tmp_path: Path) -> None:
    agents = limited(tmp_path, Plan_revisions="0 revisions | the run ends as failed")
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        desk.model.script({"steps": [failing("f")]})
        result = await desk.run()
        assert (result.outcome, rules(result)) == (Outcome.FAILED, ["limits.revisions"])


async def test_the_same_call_in_plan_after_plan_stops_before_a_person_is_asked(client: Client, tmp_path: Path) -> None:
    agents = limited(tmp_path, Identical_calls="1 call")
    pay = {"to": "ann", "amount": 80}
    first = {"needs": "look first", "steps": [step("p", "pay", args=pay)]}
    second = {"steps": [step("q", "pay", args=pay), step("a", "look", "q")]}
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        desk.model.script(first, second)
        handle = await desk.start()
        (gate,) = await pending(handle)
        await handle.signal("approve", {"approval": gate.id, "digest": gate.digest})
        result = await result_of(handle)
        assert (result.outcome, rules(result)) == (Outcome.ESCALATED, ["loops.repeated-call"])
        assert [each.call for each in result.approvals] == ["p"]
        assert len(desk.effects(tool="pay")) == 1
        assert "Done, and stays done: Pay 80.0 to ann" in result.summary


async def test_a_plan_that_repeats_what_failed_stops_the_run(desk: Desk) -> None:
    desk.model.script({"steps": [step("a"), failing("f", "a")]}, {"steps": [step("b"), failing("g")]})
    handle = await desk.start()
    result = await result_of(handle)
    assert (result.outcome, rules(result), result.revision) == (Outcome.ESCALATED, ["loops.repeated-failure"], 0)
    assert len(desk.effects(tool="fail")) == 1
    assert await stopped(handle) == (
        "the revised plan repeats 'f', which failed for good (loops.repeated-failure); a person takes over"
    )


async def test_revisions_that_bring_nothing_stop_the_run(desk: Desk) -> None:
    desk.model.script({"steps": [failing("f")]}, {"steps": [failing("g", times=98)]}, {"steps": [step("never")]})
    result = await desk.run()
    assert (result.outcome, rules(result), result.revision) == (Outcome.ESCALATED, ["loops.no-progress"], 1)
    assert not desk.effects(tool="look")


@pytest.mark.parametrize("who", ["nobody", "Kim"])
async def test_when_no_model_can_plan_the_scope_says_what_happens(client: Client, tmp_path: Path, who: str) -> None:
    sections = (
        "## When we can't answer\n| When | What we say |\n|---|---|\n"
        "| A person takes over | Kim will write. |\n| The run fails | Please come back tomorrow. |\n"
    )
    agents = limited(tmp_path, sections=sections)
    scope = agents / "desk" / "scope.md"
    text = scope.read_text(encoding="utf-8").replace("| anything | a test |", f"| No model answers | {who} |")
    scope.write_text(text, encoding="utf-8")
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        desk.model.script(quota_exhausted())
        result = await desk.run()
        assert result.error is not None
        assert result.error.type is ErrorType.QUOTA_EXHAUSTED
        if who == "nobody":
            assert (result.outcome, result.answer) == (Outcome.FAILED, "Please come back tomorrow.")
        else:
            assert (result.outcome, result.answer) == (Outcome.ESCALATED, "Kim will write.")
            assert rules(result) == ["models.unavailable"]


async def test_when_no_model_can_answer_the_owners_words_stand_above_what_was_done(
    client: Client, tmp_path: Path
) -> None:
    row = "| No answer could be written | It is done; details below. |\n"
    agents = limited(tmp_path, sections=f"## When we can't answer\n| When | What we say |\n|---|---|\n{row}")
    async with desks.desk(client, tmp_path, agents=agents) as desk:
        desk.model.script(quota_exhausted())
        result = await desk.run(plan={"steps": [step("a")]})
        assert (result.outcome, result.answer) == (
            Outcome.DEGRADED,
            "It is done; details below.\nDone:\n- Look at a",
        )
