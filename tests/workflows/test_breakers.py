"""Runs whose dependency is down: they wait, fall back or are handed over, and one call finds out when it is back."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from activities.storage.dependencies import Dependencies
from plangate.breakers import Breaker, BreakerState
from plangate.errors import ErrorType
from plangate.pacing import Wait
from plangate.runs import Event, Outcome, RunRequest, RunState, StepStatus
from plangate.tasks import Answer
from plangate.temporal import PlangatePlugin
from tests import fake_model
from tests.workflows import desk as desks
from tests.workflows.desk import Desk, eventually, result_of, status_of
from workflows import turns
from workflows.activities import payload_of
from workflows.agent_run import AgentRun

pytestmark = pytest.mark.asyncio(loop_scope="session")
SCRIPT = Path(sys.executable).parent / "plangate"


@asynccontextmanager
async def system(client: Client, folder: Path, *, seconds: float) -> AsyncIterator[Desk]:
    async with desks.desk(client, folder, breaker_seconds=seconds) as desk:
        desk.model.script(*["done"] * 20)
        yield desk


def take_down(desk: Desk) -> None:
    desk.effects_file.with_suffix(".down").write_text("down")


def bring_back(desk: Desk) -> None:
    desk.effects_file.with_suffix(".down").unlink()


def plan(tool: str, args: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"steps": [{"id": "a", "tool": tool, "args": args or {}, **fields}]}


async def warehouse(desk: Desk, name: str = "warehouse") -> Breaker:
    return next((each for each in await Dependencies(desk.store).listed() if each.name == name), Breaker(name=name))


async def open_it(desk: Desk) -> None:
    """Three failing calls, one a run."""
    take_down(desk)
    for _ in range(3):
        result = await desk.run(plan=plan("stock_or_not", fallback={"value": "unknown"}))
        assert result.outcome is Outcome.COMPLETED
    assert (await warehouse(desk)).state is BreakerState.OPEN


async def test_three_failures_open_it_runs_wait_and_one_probe_closes_it(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=1.0) as desk:
        take_down(desk)
        first = await desk.start(plan=plan("stock"))

        async def is_open() -> bool:
            return (await warehouse(desk)).state is BreakerState.OPEN

        await eventually(is_open)
        assert len(desk.effects()) == 3
        others = [await desk.start(plan=plan("stock")) for _ in range(3)]

        async def waits() -> bool:
            steps = (await status_of(others[0])).steps
            return bool(steps) and "dependency warehouse is down" in steps[0].reason

        await eventually(waits)
        assert "next try at" in (await status_of(others[0])).steps[0].reason
        bring_back(desk)
        results = [await result_of(handle) for handle in (first, *others)]
        assert {result.outcome for result in results} == {Outcome.COMPLETED}
        assert len(desk.effects()) == 3 + 4
        breaker = await warehouse(desk)
        assert (breaker.state, breaker.failures, breaker.opened_at) == (BreakerState.CLOSED, 0, None)
        events = await others[0].query("timeline", result_type=list[Event])
        assert any(event.kind == "blocked" and event.step == "a" for event in events)
        assert results[1].steps[0].reason == ""
        replayer = Replayer(workflows=[AgentRun], plugins=[PlangatePlugin(strict=True)])
        await replayer.replay_workflow(await others[0].fetch_history())


async def test_a_probe_that_fails_opens_it_again(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=0.3) as desk:
        take_down(desk)
        handle = await desk.start(plan=plan("stock"))

        async def opened_twice() -> bool:
            return (await warehouse(desk)).openings >= 2

        await eventually(opened_twice)
        assert len(desk.effects()) == 4
        bring_back(desk)
        assert (await result_of(handle)).outcome is Outcome.COMPLETED


async def test_waiting_ends_with_the_tools_total_time(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=60) as desk:
        await open_it(desk)
        result = await desk.run(plan=plan("stock_soon", fallback={"value": "unknown"}))
        assert result.outcome is Outcome.COMPLETED
        result = await desk.run(plan=plan("stock_soon"))
        assert result.outcome is Outcome.FAILED
        error = result.steps[0].error
        assert error is not None
        assert error.type is ErrorType.UNAVAILABLE
        assert "was not called: dependency warehouse is down" in error.message
        assert desk.effects(tool="stock_soon") == []


async def test_the_fallback_takes_over_at_once(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=60) as desk:
        await open_it(desk)
        result = await desk.run(plan=plan("stock_or_not", fallback={"tool": "look", "args": {"value": "a guess"}}))
        assert result.outcome is Outcome.COMPLETED
        assert len(desk.effects(tool="stock_or_not")) == 3
        assert len(desk.effects(tool="look")) == 1


async def test_a_run_that_waits_can_fail_elsewhere_and_be_cancelled(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=60) as desk:
        await open_it(desk)
        steps = [
            {"id": "a", "tool": "stock"},
            {"id": "b", "tool": "wait_for", "args": {"word": "go"}},
            {"id": "c", "tool": "fail", "args": {"how": "permanent"}, "after": ["b"]},
        ]
        handles = [await desk.start(plan={"steps": steps}), await desk.start(plan=plan("stock"))]

        async def wait() -> bool:
            each = [(await status_of(handle)).steps for handle in handles]
            return all(found and "is down" in found[0].reason for found in each)

        await eventually(wait)
        desk.say("go")
        failed = await result_of(handles[0])
        assert (failed.outcome, failed.steps[0].status) == (Outcome.FAILED, StepStatus.CANCELLED)
        await handles[1].cancel()

        async def is_cancelled() -> bool:
            return (await status_of(handles[1])).outcome is Outcome.CANCELLED

        await eventually(is_cancelled)


async def test_a_person_takes_over(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=60) as desk:
        await open_it(desk)
        result = await desk.run(plan=plan("stock_or_person", fallback={"value": "never"}))
        assert result.outcome is Outcome.ESCALATED
        assert "A person takes over: stock_or_person was not called: dependency warehouse is down" in result.answer
        assert result.error is not None
        assert result.error.type is ErrorType.DEPENDENCY_DOWN
        assert desk.effects(tool="stock_or_person") == []


async def test_no_fallback_does_again_what_may_have_happened(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=0.5) as desk:
        take_down(desk)
        handle = await desk.start(plan=plan("ship", {"what": "tea"}, fallback={"tool": "look", "args": {"value": 1}}))

        async def waits() -> bool:
            steps = (await status_of(handle)).steps
            return bool(steps) and "is down" in steps[0].reason

        await eventually(waits)
        bring_back(desk)
        result = await result_of(handle)
        assert (result.outcome, result.steps[0].status) == (Outcome.COMPLETED, StepStatus.DONE)
        assert desk.effects(tool="look") == []
        assert len({effect["key"] for effect in desk.effects(tool="ship")}) == 1


async def test_an_endpoint_that_is_down_is_not_asked(client: Client, tmp_path: Path) -> None:
    async with desks.desk(client, tmp_path, breaker_seconds=1.0) as desk:
        failures: Iterable[Any] = [fake_model.server_error()] * 3
        desk.model.script(*failures, plan("look", {"value": 1}), "It is 1.")
        result = await desk.run("what is it?")
        assert (result.outcome, result.answer) == (Outcome.COMPLETED, "It is 1.")
        assert len(desk.model.requests) == 5
        (model,) = [each for each in await Dependencies(desk.store).listed() if each.name.startswith("model:")]
        assert (model.state, model.failed, model.last_error) == (BreakerState.CLOSED, 3, "Unavailable")


async def test_waiting_for_an_endpoint_uses_up_no_attempts(client: Client, tmp_path: Path) -> None:
    """It opens at the third failure of four that count; the run waits on timers until a person lets it through."""
    async with desks.desk(client, tmp_path, breaker_seconds=60.0) as desk:
        failures: Iterable[Any] = [fake_model.server_error()] * 3
        desk.model.script(*failures, plan("look", {"value": 1}), "It is 1.")
        handle = await desk.start("what is it?")

        async def waits() -> bool:
            return "is down" in (await status_of(handle)).waits

        await eventually(waits)
        assert len(desk.model.requests) == 3
        description = (await handle.describe()).raw_description
        assert not description.pending_activities  # nothing runs, and no attempt is used up
        await handle.cancel()


async def test_an_endpoint_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the one that a failed activity has: the scope says what follows."""
    now, slept = datetime(2030, 1, 1, tzinfo=UTC), []

    async def sleep(pause: timedelta, *, summary: str) -> None:
        nonlocal now
        slept.append(pause)
        now += pause

    monkeypatch.setattr(turns.workflow, "now", lambda: now)
    monkeypatch.setattr(turns.workflow, "sleep", sleep)
    asked: list[tuple[int, int]] = []

    async def ask(failed: int, rounds: int) -> Answer:
        asked.append((failed, rounds))
        return Answer(text="", early=Wait(dependency="model:x", why="model:x is down", seconds=1, failed=3, down=True))

    state = RunState(request=RunRequest(), started_at=now)
    notes: list[str] = []
    with pytest.raises(ApplicationError, match="not back within the 5 minutes") as raised:
        await turns.in_turn(ask, state, lambda kind, *_: notes.append(kind), lambda: None)
    assert payload_of(raised.value).type is ErrorType.UNAVAILABLE
    assert sum(slept, timedelta()) <= timedelta(minutes=5)
    assert len(asked) < 40
    assert asked[1] == (3, 1)
    assert notes == ["blocked"]


async def cli(tmp_path: Path, *words: str) -> tuple[int, str, str]:
    env = {**os.environ, "PLANGATE_DATABASE_URL": f"sqlite:///{tmp_path / 'plangate.db'}", "PLANGATE_USER": "kim"}
    process = await asyncio.create_subprocess_exec(
        str(SCRIPT), "dependencies", *words, env=env, stdout=-1, stderr=-1, stdin=asyncio.subprocess.DEVNULL
    )
    out, err = await process.communicate()
    assert "Traceback" not in err.decode(), err.decode()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_shows_and_resets(client: Client, tmp_path: Path) -> None:
    async with system(client, tmp_path, seconds=60) as desk:
        await open_it(desk)
        handle = await desk.start(plan=plan("stock"))
        code, out, _ = await cli(tmp_path, "--json")
        (shown,) = [each for each in json.loads(out)["dependencies"] if each["name"] == "warehouse"]
        assert (code, shown["state"], shown["failures"], shown["last_error"]) == (0, "open", 3, "Unavailable")
        assert shown["opened_at"] < shown["retry_at"]
        assert shown["recent_failures"] == 3
        _, out, _ = await cli(tmp_path)
        assert "down" in out
        bring_back(desk)
        code, out, _ = await cli(tmp_path, "--reset", "warehouse", "--as", "ada", "--json")
        assert (code, json.loads(out)["state"], json.loads(out)["reset_by"]) == (0, "closed", "ada")

        async def is_called() -> bool:
            result = await desk.run(plan=plan("stock_or_not", fallback={"value": "unknown"}))
            return result.outcome is Outcome.COMPLETED and len(desk.effects(tool="stock_or_not")) > 3

        assert await eventually(is_called)
        await handle.terminate("the test is over")
        code, out, _ = await cli(tmp_path, "--reset", "nobody", "--json")
        assert (code, json.loads(out)["error"]["message"]) == (4, "there is no dependency 'nobody'")
