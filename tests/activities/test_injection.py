"""Faults on purpose in a worker: enabled only by two words, counted across processes, striking where they say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from activities.catalogue import Catalogue
from activities.injection import dying
from activities.injection.enabling import CONSENT, ENABLED_VARIABLE, FAULTS_VARIABLE, banner, find_injector
from activities.injection.injector import Injector, read_journal
from activities.injection.tools import ToolFaults
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.errors import ErrorType, InvalidInput
from plangate.faultplan import FaultPlan, FaultRule
from tests.activities.tool_agent import Bench, bench_on

WORKER = {"worker"}


def injector_of(*rules: dict[str, Any], journal: Path | None = None, seed: int = 0) -> Injector:
    return Injector(FaultPlan(seed=seed, faults=[FaultRule.model_validate(rule) for rule in rules]), journal)


# --- enabled or not ---


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "faults.yaml"
    path.write_text("seed: 5\nfaults: [{dependency: worker, call: after-effect, fault: kill, times: 2}]")
    return path


def test_without_a_file_nothing_is_injected(plan_file: Path) -> None:
    assert find_injector({}) is None
    assert find_injector({FAULTS_VARIABLE: " ", ENABLED_VARIABLE: CONSENT}) is None


@pytest.mark.parametrize("said", ["", "1", "true", "yes"])
def test_the_file_alone_is_refused(plan_file: Path, said: str) -> None:
    with pytest.raises(InvalidInput, match=f"set {ENABLED_VARIABLE}={CONSENT}"):
        find_injector({FAULTS_VARIABLE: str(plan_file), ENABLED_VARIABLE: said})


def test_both_together_are_said_aloud(plan_file: Path) -> None:
    injector = find_injector({FAULTS_VARIABLE: str(plan_file), ENABLED_VARIABLE: CONSENT})
    assert injector is not None
    told = banner(injector)
    assert told.startswith("FAULTS ARE INJECTED ON PURPOSE: 1 rules (worker 1), seed 5")
    assert str(plan_file) in told


def test_a_plan_with_mistakes_or_none_at_all(plan_file: Path) -> None:
    enabled = {FAULTS_VARIABLE: str(plan_file), ENABLED_VARIABLE: CONSENT}
    plan_file.write_text("faults:\n  - {fault: explode}\n  - {dependency: worker, fault: kill}\n")
    with pytest.raises(InvalidInput) as caught:
        find_injector(enabled)
    assert f"{plan_file}:2: faults.0.fault" in caught.value.message
    assert f"{plan_file}:3: faults.1.call" in caught.value.message
    plan_file.unlink()
    with pytest.raises(InvalidInput, match="can't be read"):
        find_injector(enabled)


# --- the journal ---


def test_counts_hold_for_all_processes_and_their_next_lives(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    rule = {"dependency": "worker", "call": "after-effect", "fault": "kill", "after": 2, "times": 2}
    one, other = (injector_of(rule, journal=journal) for _ in range(2))
    struck = [each.pick(WORKER, "after-effect") is not None for each in (one, other, one, other, one, other)]
    assert struck == [False, False, True, True, False, False]
    assert injector_of(rule, journal=journal).pick(WORKER, "after-effect") is None  # started again
    entries = read_journal(journal)
    assert [(each["call"], each["fault"], each["pid"]) for each in entries] == [
        ("after-effect", "kill", os.getpid())
    ] * 2
    assert injector_of({**rule, "after": 0}, journal=journal).pick(WORKER, "after-effect") is not None  # another plan


def test_a_line_that_was_cut_off_counts_nothing(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    rule = {"dependency": "worker", "call": "after-effect", "fault": "kill", "times": 1}
    injector_of(rule, journal=journal).pick(WORKER, "after-effect")
    journal.write_text(journal.read_text()[:-20] + "\n")
    assert injector_of(rule, journal=journal).pick(WORKER, "after-effect") is not None


# --- kill points ---


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
async def bench(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    def die(rule: FaultRule) -> None:
        raise Killed

    monkeypatch.setattr(dying, "strike", die)
    return await bench_on(store, tmp_path)


def hurt(bench: Bench, *rules: dict[str, Any], journal: Path | None = None) -> Injector:
    injector = injector_of(*rules, journal=journal)
    catalogue = Catalogue(agents={"shop": bench.agent})
    bench.activities = ToolActivities(catalogue, bench.store, environ={}, injected=ToolFaults(injector))
    return injector


BESIDE = {"before-intent": (0, []), "after-intent": (0, ["intended"]), "after-effect": (1, ["intended"])}
INSIDE = {"before-intent": (0, []), "after-intent": (0, []), "after-effect": (0, [])}
LATER = {"after-commit": (1, ["done"]), "before-completion": (1, ["done"])}


@pytest.mark.parametrize(
    ("name", "args", "left"),
    [("pay", {"amount": 5}, BESIDE | LATER), ("post", {}, BESIDE | LATER), ("book", {}, INSIDE | LATER)],
    ids=["key", "check", "ledger"],
)
async def test_what_a_death_leaves_behind(
    bench: Bench, name: str, args: dict[str, Any], left: dict[str, tuple[int, list[str]]], tmp_path: Path
) -> None:
    for point, (effects, states) in left.items():
        hurt(bench, {"dependency": "worker", "call": point, "fault": "kill", "times": 1}, journal=tmp_path / point)
        call = bench.call(name, args, key=point, call=point)
        before = len(bench.far.effects) + await bench.bookings()
        with pytest.raises(Killed):
            await bench.make(call)
        assert [entry["call"] for entry in read_journal(tmp_path / point)] == [point]
        assert len(bench.far.effects) + await bench.bookings() - before == effects, point
        rows = await bench.rows(f"SELECT state FROM ledger WHERE key = '{point}'")
        assert [state for (state,) in rows] == states, point
        if name == "post" and effects:
            bench.far.read_back = {"ok": "fine"}
        again = await bench.make(call, attempt=2)  # `times` is used up
        if name == "post" and states == ["intended"] and not effects:
            assert again.blocked_until is not None  # until the dead attempt can't send any more
            async with bench.store.transaction() as connection:
                await connection.execute(text("UPDATE ledger SET lease_until = NULL"))
            again = await bench.make(call, attempt=2)
        assert again.result is not None
        assert len(bench.far.effects) + await bench.bookings() - before == 1, point
        bench.far.read_back = None


async def test_only_the_calls_that_are_meant(bench: Bench) -> None:
    rule = {"dependency": "worker", "call": "after-effect", "fault": "kill"}
    hurt(bench, {**rule, "match": {"mode": "check", "tool": "post"}})
    await bench.make(bench.call("pay", {"amount": 5}, key="a"))
    with pytest.raises(Killed):
        await bench.make(bench.call("post", key="b"))


async def test_in_compensation(bench: Bench) -> None:
    hurt(bench, {"dependency": "worker", "call": "in-compensation", "fault": "kill"})
    await bench.make(bench.call("book", key="a"))
    with pytest.raises(Killed):
        await bench.make(bench.call("book", key="b", step="s-undo"))


# --- tools that go wrong ---


@pytest.mark.parametrize(
    ("fault", "options", "type", "calls"),
    [
        ("rate_limited", {"retry_after": 4}, ErrorType.RATE_LIMITED, 0),
        ("unavailable", {}, ErrorType.UNAVAILABLE, 0),
        ("network", {}, ErrorType.NETWORK, 0),
        ("timeout", {}, ErrorType.TIMEOUT, 0),
        ("hang", {"seconds": 0.05}, ErrorType.TIMEOUT, 0),
        ("rejected", {}, ErrorType.PERMANENT, 0),
        ("bug", {}, ErrorType.BUG, 0),
        ("effect_then_timeout", {}, ErrorType.TIMEOUT, 1),
        ("effect_then_error", {}, ErrorType.UNAVAILABLE, 1),
        ("drift", {"drift": "retyped"}, ErrorType.INVALID_RESULT, 1),
    ],
)
async def test_tools_that_go_wrong(
    bench: Bench, fault: str, options: dict[str, Any], type: ErrorType, calls: int
) -> None:
    hurt(bench, {"dependency": "look", "fault": fault, "times": 1, **options})
    error, payload = await bench.fails(bench.call("look"))
    assert (payload.type, len(bench.far.effects)) == (type, calls)
    assert error.next_retry_delay is None or fault != "rate_limited" or error.next_retry_delay.total_seconds() == 4
    again = await bench.make(bench.call("look"), attempt=2)
    assert (again.early is None) is (fault != "rate_limited")  # that one asked everybody for patience
    assert (again.result is None) is (fault == "rate_limited")


async def test_what_a_tool_answers_and_what_only_takes_time(bench: Bench) -> None:
    hurt(
        bench,
        {"dependency": "look", "fault": "business", "times": 1},
        {"dependency": "look", "fault": "slow", "seconds": 0.01},
    )
    answered = await bench.make(bench.call("look", key="a"))
    assert answered.error is not None
    assert answered.error.type is ErrorType.BUSINESS
    assert (await bench.make(bench.call("look", key="b"))).result is not None
