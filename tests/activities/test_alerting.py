"""Cost alerts: one for each dear run and each dear day, whoever notices it and however often it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from temporalio.testing import ActivityEnvironment

from activities.alerting import CostAlerts
from activities.recording import RecordingActivities
from activities.storage import alerts as stored
from activities.storage import tables
from activities.storage.costs import AlertRow, alert_rows
from activities.storage.store import Store, UsageRow
from plangate.run_status import RunResult
from plangate.runs import Outcome, Usage
from plangate.tasks import Recorded, RecordTask

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture
async def other(store: Store, database_url: str) -> AsyncIterator[Store]:
    async with await Store.open(database_url) as opened:
        yield opened


def ended(run: str, cost: float, *, agent: str = "shop", at: datetime = NOW) -> RunResult:
    return RunResult(
        run=run, agent=agent, outcome=Outcome.COMPLETED, summary="It was completed.", started_at=at, ended_at=at,
        usage=Usage(calls=2, cost_usd=cost),
    )  # fmt: skip


async def used(store: Store, run: str, cost: float | None, *, agent: str = "shop", at: datetime = NOW) -> None:
    row = UsageRow(id=f"{run}:{at}", run=run, agent=agent, model="m", task="plan", input_tokens=1, output_tokens=1,
                   cost_usd=cost, at=at)  # fmt: skip
    await store.add_usage(row)


def alerts(store: Store, factor: float | None = 2.0, *, now: datetime = NOW, fresh: float = 60.0) -> CostAlerts:
    return CostAlerts(store, lambda _: factor, fresh_seconds=fresh, clock=lambda: now)


async def usual_runs(store: Store, count: int = 12, cost: float = 0.10) -> None:
    for n in range(count):
        await store.record(RecordTask(run=f"u{n}", result=ended(f"u{n}", cost, at=NOW - timedelta(days=30, hours=n))))


async def usual_days(store: Store, *costs: float) -> None:
    for n, cost in enumerate(costs, start=1):
        await used(store, f"d{n}", cost, at=NOW - timedelta(days=n))


async def rows(store: Store) -> list[tuple[str, str, float, float]]:
    return [(row.kind, row.run or "", row.cost_usd, row.usual_usd) for row in await alert_rows(store)]


async def end(store: Store, result: RunResult, by: CostAlerts) -> list[str]:
    """The activity, as a worker runs it."""
    recorded: Recorded = await ActivityEnvironment().run(
        RecordingActivities(store, None, by).record, RecordTask(run=result.run, result=result)
    )
    return recorded.alerts


async def summary(store: Store, run: str) -> str:
    async with store.reading() as conn:
        return str(await conn.scalar(select(tables.runs.c.summary).where(tables.runs.c.run == run)))


async def test_a_dear_run_is_told_of_once_in_log_summary_and_table(store: Store) -> None:
    await usual_runs(store)
    with capture_logs() as logs:
        said = await end(store, ended("dear", 0.21), alerts(store))
        again = await end(store, ended("dear", 0.21), alerts(store))  # another worker, after this one died
    assert said == again == ["The run dear of shop cost $0.2100, 2.1 times the usual $0.1000."]
    assert await rows(store) == [("run", "dear", 0.21, 0.10)]
    told = [log for log in logs if log["event"] == "cost alert"]
    assert [(log["kind"], log["run"], log["factor"], log["log_level"]) for log in told] == [
        ("run", "dear", 2.0, "warning")
    ]
    assert (await summary(store, "dear")).endswith(f"Cost alert: {said[0]}")


@pytest.mark.parametrize(
    ("count", "cost", "factor", "dear"),
    [
        pytest.param(12, 0.20, 2.0, False, id="twice is not more than twice"),
        pytest.param(9, 5.00, 2.0, False, id="too few runs to know the usual"),
        pytest.param(12, 5.00, None, False, id="the owner wants none"),
        pytest.param(12, 0.16, 1.5, True, id="the owner's own factor"),
        pytest.param(12, 0.0, 2.0, False, id="a run that cost nothing"),
    ],
)
async def test_when_a_run_is_dear(store: Store, count: int, cost: float, factor: float | None, dear: bool) -> None:
    await usual_runs(store, count)
    assert bool(await end(store, ended("x", cost), alerts(store, factor))) is dear


async def test_the_usual_is_of_the_same_agent_and_one_dear_run_does_not_move_it(store: Store) -> None:
    await usual_runs(store)
    await store.record(RecordTask(run="once", result=ended("once", 900.0, at=NOW - timedelta(days=1))))
    assert await end(store, ended("x", 0.3), alerts(store)) != []
    assert await end(store, ended("y", 0.3, agent="other"), alerts(store)) == []


async def test_a_dear_day_is_told_of_once_whichever_workers_see_it(store: Store, other: Store) -> None:
    await usual_days(store, 1.0, 1.2, 0.8)
    await used(store, "before", 1.9)
    workers = [alerts(store), alerts(other)]
    assert await workers[0].judge(ended("a", 0.05)) == []
    for n in range(8):
        await used(store, f"r{n}", 0.05)
    with capture_logs() as logs:
        said = await asyncio.gather(*(workers[n % 2].judge(ended(f"r{n}", 0.05)) for n in range(8)))
    (row,) = await rows(store)
    assert (row[0], row[3]) == ("day", 1.0)
    assert row[2] == pytest.approx(2.3)
    assert [lines for lines in said if lines] == [
        ["The agent shop has cost $2.30 on 2026-03-31 (UTC), 2.3 times the usual $1.00 of a day."]
    ]
    assert len([log for log in logs if log["event"] == "cost alert"]) == 1
    assert await workers[0].judge(ended("later", 0.05)) == []


async def test_the_next_day_has_an_alert_of_its_own_and_too_few_days_say_nothing(store: Store) -> None:
    await usual_days(store, 1.0, 1.0)
    await used(store, "x", 9.0)
    assert await alerts(store).judge(ended("x", 9.0)) == []
    await used(store, "d9", 1.0, at=NOW - timedelta(days=9))
    by = alerts(store)
    assert len(await by.judge(ended("x", 9.0))) == 1
    tomorrow = NOW + timedelta(days=1)
    await used(store, "y", 9.0, at=tomorrow)
    by._clock = lambda: tomorrow
    assert len(await by.judge(ended("y", 9.0, at=tomorrow))) == 1
    assert sorted(row.at for row in await alert_rows(store)) == [NOW, tomorrow]


async def test_a_run_told_of_twice_does_not_make_a_day_dear(store: Store) -> None:
    await usual_days(store, 1.0, 1.0, 1.0)
    await used(store, "x", 1.5)
    by = alerts(store)
    for _ in range(3):  # the activity's later attempts: together they would be 4.50
        assert await by.judge(ended("x", 1.5)) == []
    assert await rows(store) == []


async def test_a_fault_never_keeps_a_run_from_being_written_down(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    by = alerts(store)

    async def broken(_: RunResult) -> list[str]:
        raise RuntimeError

    monkeypatch.setattr(by, "judge", broken)
    assert await end(store, ended("x", 1.0), by) == []
    assert await summary(store, "x") == "It was completed."


async def test_what_is_usual_is_read_once_a_minute(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    real = stored.run_costs

    async def counted(*args: object, **kwargs: object) -> list[float]:
        reads.append(args)
        return await real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "run_costs", counted)
    by = alerts(store)
    for n in range(20):
        await by.judge(ended(f"r{n}", 0.01))
    assert len(reads) == 1


def test_alerts_are_shown_as_the_database_has_them() -> None:
    assert set(AlertRow.model_fields) == {"kind", "agent", "run", "cost_usd", "usual_usd", "message", "at"}
