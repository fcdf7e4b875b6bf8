"""Failures that say nothing of an attempt before them: no such call may count as not made."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from activities.storage.store import Store
from plangate.errors import ErrorType
from plangate.tool_context import ToolError
from tests.activities.test_unknown_outcomes import behaving
from tests.activities.tool_agent import Bench, bench_on


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    return await bench_on(store, tmp_path)


async def test_a_fault_says_that_an_earlier_attempt_may_have_taken_effect(bench: Bench) -> None:
    """It may be the last one although attempts are left: Temporal gives up where their wait ends too late."""
    patience = ToolError("not so fast", transient=True, type=ErrorType.RATE_LIMITED, retry_after=600)
    behaving(bench, TimeoutError("no answer"), patience)
    call = bench.call("post")
    _, first = await bench.fails(call)
    _, second = await bench.fails(call, attempt=2)
    assert (first.type, first.unsure) == (ErrorType.TIMEOUT, True)
    assert (second.type, second.unsure) == (ErrorType.RATE_LIMITED, True)
    assert await bench.ledger() == [("k", "intended")]


async def test_a_fault_before_anything_was_sent_is_sure(bench: Bench) -> None:
    behaving(bench, ConnectionRefusedError("away"))
    _, payload = await bench.fails(bench.call("post"))
    assert (payload.type, payload.unsure) == (ErrorType.NETWORK, False)


@pytest.mark.parametrize("change", ["agent", "rule", "tool", "arguments"])
async def test_what_may_be_done_no_more_may_have_been_done_before(bench: Bench, change: str) -> None:
    """A deployment between two attempts: the second one is refused, and the first one had no answer."""
    behaving(bench, TimeoutError("no answer"))
    call = bench.granted(bench.call("pay", {"amount": 5}))
    await bench.fails(call)
    assert call.grant is not None
    changed = {
        "agent": {"grant": call.grant.model_copy(update={"agent_version": "old"})},
        "rule": {"grant": None, "args": {"amount": 30.0, "how": "fine", "note": "none"}, "digest": ""},
        "tool": {"tool": "gone"},
        "arguments": {"args": {"amount": 6.0}},
    }[change]
    error, payload = await bench.fails(call.model_copy(update=changed), attempt=2)
    assert (payload.type, error.non_retryable) == (ErrorType.OUTCOME_UNKNOWN, True)
    assert "an earlier attempt may have taken effect, and then: " in payload.message
    assert await bench.ledger() == [("k", "unknown")]


async def test_without_the_database_nobody_can_tell(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL that is gone refuses connections, which elsewhere means that nothing was sent."""

    def gone(*_: Any) -> Any:
        raise ConnectionRefusedError("port 5432")

    async def effect(how: str) -> dict[str, str]:
        monkeypatch.setattr(bench.store, "together", gone)
        monkeypatch.setattr(bench.store, "reading", gone)
        return {"ok": how}

    monkeypatch.setattr(bench.far, "behave", effect)
    _, payload = await bench.fails(bench.call("post"))
    assert (payload.type, payload.unsure) == (ErrorType.NETWORK, True)


async def test_a_result_that_is_gone_is_no_failure_of_the_effect(bench: Bench) -> None:
    call = bench.call("pay", {"amount": 5})
    await bench.make(call)
    async with bench.store.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM results")
    _, payload = await bench.fails(call, attempt=2)
    assert payload.type is ErrorType.OUTCOME_UNKNOWN
    assert "it took effect, and then: " in payload.message
    assert await bench.ledger() == [("k", "done")]


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_that_nobody_acknowledged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """A `ledger` tool's transaction: it isn't known to be rolled back, so no other step may stand in for it."""
    whole = bench.store.transaction

    @asynccontextmanager
    async def unacknowledged() -> Any:
        lost = OperationalError("COMMIT", None, Exception("connection lost"))
        async with whole() as connection:
            yield connection
            if not committed:
                raise lost
        raise lost

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "transaction", unacknowledged)
        if committed:
            assert (await bench.make(bench.call("book"))).result is not None
        else:
            _, payload = await bench.fails(bench.call("book"))
            assert (payload.type, payload.unsure) == (ErrorType.UNAVAILABLE, True)
    assert (await bench.make(bench.call("book"), attempt=2)).result is not None
    assert await bench.bookings() == 1


async def test_a_full_disk_commits_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says so itself: nobody has to be asked whether it took effect."""
    whole = bench.store.transaction

    @asynccontextmanager
    async def full() -> Any:
        said = sqlite3.OperationalError("database or disk is full")
        said.sqlite_errorname = "SQLITE_FULL"
        async with whole() as connection:
            yield connection
            raise OperationalError("COMMIT", None, said)

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "transaction", full)
        _, payload = await bench.fails(bench.call("book"))
    assert (payload.type, payload.unsure) == (ErrorType.UNAVAILABLE, False)
    assert payload.message == "book failed: the database answered: database or disk is full"
    assert (await bench.make(bench.call("book"), attempt=2)).result is not None
