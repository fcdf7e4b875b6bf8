"""Attempts of a `check` tool that overlap: one whose worker stood still, or is cut off, and the retry of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from activities import effects
from activities.storage.store import Store
from plangate.errors import ErrorType
from plangate.tasks import ToolCall
from tests.activities.tool_agent import Bench, bench_on


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    return await bench_on(store, tmp_path)


async def stalled(bench: Bench, call: ToolCall, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Task]:
    """A first attempt that stands still between its intent and its effect, until told to go on."""
    stands, go_on = asyncio.Event(), asyncio.Event()
    be_alone = effects.Effects._be_alone

    async def stand_still(*given: object) -> None:
        monkeypatch.setattr(effects.Effects, "_be_alone", be_alone)
        stands.set()
        await go_on.wait()
        await be_alone(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(effects.Effects, "_be_alone", stand_still)
    zombie = asyncio.create_task(bench.fails(call))
    await stands.wait()
    bench.activities._effects._turns.clear()  # the retry is on another worker, which knows of no other attempt
    return go_on, zombie


async def test_an_attempt_that_was_overtaken_sends_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    call = bench.call("post")
    go_on, zombie = await stalled(bench, call, monkeypatch)
    error, payload = await bench.fails(call, attempt=2)
    assert (payload.type, error.non_retryable) == (ErrorType.UNAVAILABLE, False)
    assert error.next_retry_delay is not None
    assert error.next_retry_delay.total_seconds() == bench.agent.tools["post"].settings.timeout
    go_on.set()
    _, payload = await zombie
    assert (payload.type, bench.far.effects) == (ErrorType.CANCELLED, [])
    result = await bench.make(call, attempt=3)
    assert result.result is not None
    assert len(bench.far.effects) == 1
    assert await bench.ledger() == [("k", "done")]


async def test_what_an_attempt_before_did_is_found_before_anybody_waits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = bench.call("post")
    go_on, zombie = await stalled(bench, call, monkeypatch)
    bench.far.read_back = {"ok": "found"}
    result = await bench.make(call, attempt=2)
    assert result.result is not None
    go_on.set()
    await zombie
    assert bench.far.effects == []


async def test_the_last_attempt_that_may_not_send_leaves_it_to_a_person(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = bench.call("post")
    go_on, zombie = await stalled(bench, call, monkeypatch)
    last = bench.agent.tools["post"].policy().retries.max_attempts
    await bench.fails(call, attempt=last)
    assert await bench.ledger() == [("k", "unknown")]
    go_on.set()
    await zombie
    assert bench.far.effects == []
