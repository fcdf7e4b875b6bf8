"""The store on both databases: what is written is read back, and writing it again changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.storage import tables
from activities.storage.store import Store, UsageRow
from plangate.approvals import (
    ApprovalDecision,
    ApprovalRequest,
    DecisionAction,
    GateStatus,
    Receipt,
    ReceiptStatus,
    settle,
)
from plangate.errors import ErrorType, PlangateError
from plangate.run_status import RunResult
from plangate.runs import Outcome, RunRequest, Usage
from plangate.tasks import RecordTask

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


async def rows_of(store: Store, table: Table) -> Sequence[Any]:
    async with store.reading() as connection:
        return (await connection.execute(select(table))).all()


def a_gate(call: str = "refund") -> ApprovalRequest:
    return ApprovalRequest(
        id=f"r1/{call}", run="r1", call=call, step=call, tool="refund_payment", args={"amount": 80, "order": "1001"},
        digest="d" * 64, opened_at=NOW, deadline=NOW + timedelta(days=1),
    )  # fmt: skip


def a_usage(id: str, **changes: Any) -> UsageRow:
    row = {"run": "r1", "agent": "support", "model": "m-1", "task": "plan", "input_tokens": 100, "output_tokens": 20}
    return UsageRow(id=id, **{**row, "at": NOW, "cost_usd": 0.25, **changes})


# --- runs ---


async def test_a_run_from_its_start_to_its_end(store: Store) -> None:
    request = RunRequest(agent="support", request="Where is my order?", user="ann", session="s1")
    await store.open_run("r1", request, agent_version="v1", at=NOW)
    await store.open_run("r1", request.model_copy(update={"request": "other"}), agent_version="v2", at=NOW)
    (row,) = await rows_of(store, tables.runs)
    assert (row.agent, row.agent_version, row.user, row.session) == ("support", "v1", "ann", "s1")
    assert (row.request, row.phase, row.outcome, row.started_at) == ("Where is my order?", "admitting", None, NOW)

    result = RunResult(
        run="r1", agent="support", agent_version="v1", user="ann", session="s1", request="Where is my order?",
        outcome=Outcome.COMPLETED, answer="On its way.", started_at=NOW, ended_at=NOW + timedelta(seconds=2),
        usage=Usage(calls=2, input_tokens=10, output_tokens=5, cost_usd=0.5),
    )  # fmt: skip
    for _ in range(2):
        await store.record(RecordTask(run="r1", result=result))
    (row,) = await rows_of(store, tables.runs)
    assert (row.phase, row.outcome, row.answer, row.cost_usd) == ("ended", "completed", "On its way.", 0.5)
    assert (row.started_at, row.ended_at) == (NOW, NOW + timedelta(seconds=2))
    assert RunResult.model_validate_json(row.result_json) == result


async def test_a_run_that_was_never_opened_is_recorded_whole(store: Store) -> None:
    await store.record(RecordTask(run="r9", result=RunResult(run="r9", agent="nobody", outcome=Outcome.FAILED)))
    (row,) = await rows_of(store, tables.runs)
    assert (row.run, row.agent, row.outcome) == ("r9", "nobody", "failed")


async def test_a_cost_that_is_not_known_is_not_zero(store: Store) -> None:
    unknown = Usage(calls=2, unpriced_calls=2)
    await store.record(RecordTask(run="r1", result=RunResult(run="r1", agent="a", outcome="failed", usage=unknown)))
    (row,) = await rows_of(store, tables.runs)
    assert (row.cost_usd, row.unpriced_calls) == (None, 2)


async def test_text_that_databases_refuse_is_kept_visibly(store: Store) -> None:
    await store.open_run("r1", RunRequest(agent="a", request="a\x00b\ud800c — ü 🙂"), agent_version="", at=NOW)
    (row,) = await rows_of(store, tables.runs)
    assert row.request == "a\ufffdb\\ud800c — ü 🙂"


# --- gates and decisions ---


async def test_a_gate_opens_once_and_stays_settled(store: Store) -> None:
    gate = a_gate()
    await store.open_gate(gate)
    await store.open_gate(gate)
    (row,) = await rows_of(store, tables.approvals)
    assert (row.status, row.decided_at, row.args_json) == ("pending", None, '{"amount":80,"order":"1001"}')

    decision = ApprovalDecision(
        action=DecisionAction.EDIT, digest="d" * 64, by="ann", reason="half", args={"amount": 40}
    )
    settled = settle(gate, decision, now=NOW + timedelta(minutes=1))
    await store.record(RecordTask(run="r1", gates=[settled]))
    await store.record(RecordTask(run="r1", gates=[gate]))  # a late attempt of an older activity
    (row,) = await rows_of(store, tables.approvals)
    assert (row.status, row.action, row.decided_by, row.reason) == ("approved", "edit", "ann", "half")
    assert row.decided_at == NOW + timedelta(minutes=1)
    assert ApprovalRequest.model_validate_json(row.request_json) == settled


async def test_a_reset_run_can_settle_its_gate_again(store: Store) -> None:
    first = settle(a_gate(), ApprovalDecision(by="ann"), now=NOW)
    again = settle(a_gate(), ApprovalDecision(action=DecisionAction.REJECT, by="bob"), now=NOW + timedelta(hours=1))
    await store.record(RecordTask(run="r1", gates=[first]))
    await store.record(RecordTask(run="r1", gates=[again]))
    (row,) = await rows_of(store, tables.approvals)
    assert (row.status, row.decided_by) == (GateStatus.REJECTED.value, "bob")


async def test_every_decision_is_recorded_once_even_equal_ones(store: Store) -> None:
    receipt = Receipt(
        status=ReceiptStatus.UNKNOWN, approval="r1/nope", message="there is none", at=NOW,
        decision=ApprovalDecision(approval="nope", by="eve", reason="why not", digest="ab"),
    )  # fmt: skip
    later = receipt.model_copy(update={"at": NOW + timedelta(seconds=1)})
    task = RecordTask(run="r1", receipts=[receipt, receipt, later])
    await asyncio.gather(*(store.record(task) for _ in range(3)))
    await store.record(task)
    rows = await rows_of(store, tables.decisions)
    assert [row.at for row in rows] == [NOW, NOW, NOW + timedelta(seconds=1)]
    assert {(r.approval, r.run, r.by, r.reason, r.digest, r.status) for r in rows} == {
        ("r1/nope", "r1", "eve", "why not", "ab", "unknown")
    }
    await store.record(RecordTask(run="r2", receipts=[receipt]))
    assert len(await rows_of(store, tables.decisions)) == 4


async def test_a_decision_judged_again_after_a_crash_is_recorded_once(store: Store) -> None:
    decision = ApprovalDecision(approval="r1/pay", by="eve", digest="ab")
    first = Receipt(status=ReceiptStatus.APPLIED, approval="r1/pay", at=NOW, decision=decision, number=1)
    again = first.model_copy(update={"at": NOW + timedelta(seconds=9), "message": "by another worker"})
    late = [first.model_copy(update={"status": ReceiptStatus.LATE, "number": number}) for number in (1, 2)]
    for receipts in ([first], [again, late[0]], late):
        await store.record(RecordTask(run="r1", receipts=receipts))
    rows = await rows_of(store, tables.decisions)
    assert sorted(row.status for row in rows) == ["applied", "late", "late"]


async def test_one_decision_is_applied_to_a_gate_and_it_is_the_last_judged(store: Store) -> None:
    """An update that a dead worker took is in the table, and not in history: the signal after it is what holds."""
    lost = ApprovalDecision(approval="r1/pay", by="eve", digest="ab", id="u1")
    holds = ApprovalDecision(approval="pay", by="kim", digest="ab")
    for at, number, decision in ((NOW, 1, lost), (NOW + timedelta(seconds=3), 1, holds), (NOW, 1, lost)):
        receipt = Receipt(
            status=ReceiptStatus.APPLIED, approval=decision.approval, at=at, decision=decision, number=number
        )
        await store.record(RecordTask(run="r1", receipts=[receipt]))
    rows = await rows_of(store, tables.decisions)
    assert [(row.status, row.by, row.approval) for row in rows] == [("applied", "kim", "pay")]


async def test_a_record_is_written_whole_or_not_at_all(store: Store) -> None:
    broken = a_gate().model_copy(update={"opened_at": NOW.replace(tzinfo=None)})
    result = RunResult(run="r1", agent="support", outcome=Outcome.COMPLETED)
    with pytest.raises(Exception, match="no time zone"):
        await store.record(RecordTask(run="r1", result=result, gates=[broken]))
    assert await rows_of(store, tables.runs) == []


# --- results ---


async def test_results_come_back_by_key_and_the_last_write_wins(store: Store) -> None:
    where = {"run": "r1", "step": "find", "call": "find"}
    await store.put_result(key="k1", **where, value_json='{"a": [1, 2.5, null, "ü"]}')
    async with store.transaction() as connection:
        await store.save_result(connection, key="k2", **where, value_json='"two"')
        await store.save_result(connection, key="k1", **where, value_json='"lone \ud800"')
    assert await store.load_results(["k2", "k1", "k2", "none"]) == {"k1": "lone \ud800", "k2": "two"}
    assert await store.load_results([]) == {}
    row = next(row for row in await rows_of(store, tables.results) if row.key == "k2")
    assert (row.size, row.at.tzinfo) == (5, UTC)


async def test_many_keys_at_once(store: Store) -> None:
    where = {"run": "r1", "step": "find", "call": "find"}
    await asyncio.gather(*(store.put_result(key=f"k{n}", **where, value_json=str(n)) for n in range(1200)))
    assert await store.load_results([f"k{n}" for n in range(1200)]) == {f"k{n}": n for n in range(1200)}


# --- usage ---


async def test_usage_is_summed_and_what_has_no_price_is_counted(store: Store) -> None:
    await store.add_usage(a_usage("1"))
    await store.add_usage(a_usage("1", input_tokens=9999))
    await store.add_usage(a_usage("2", model="m-2", cost_usd=None, at=NOW + timedelta(seconds=1)))
    await store.add_usage(a_usage("3", run="other"))
    assert await store.usage_of_run("r1") == Usage(
        calls=2, input_tokens=200, output_tokens=40, cost_usd=0.25, unpriced_calls=1, models=["m-1", "m-2"]
    )
    assert await store.usage_of_run("nothing") == Usage()


# --- time, transactions, group commit ---


async def test_moments_are_utc_on_both_databases_and_naive_ones_are_refused(store: Store) -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=2)))
    await store.add_usage(a_usage("1", at=berlin))
    (row,) = await rows_of(store, tables.usage)
    assert row.at == NOW
    assert row.at.tzinfo is UTC
    with pytest.raises(Exception, match="no time zone"):
        await store.add_usage(a_usage("2", at=NOW.replace(tzinfo=None)))


def a_ledger_row(key: str, approval: str | None) -> dict[str, Any]:
    text_columns = {"run": "r1", "agent": "a", "step": "s", "call": "s", "tool": "t", "tool_version": "1"}
    return {
        "key": key, **text_columns, "mode": "ledger", "digest": "", "state": "done", "approval_id": approval,
        "attempt_token": "x", "attempts": 1, "intended_at": NOW,
    }  # fmt: skip


async def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.transaction() as connection:
            await connection.execute(insert(tables.ledger), a_ledger_row("k1", None))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await fail()
    assert await rows_of(store, tables.ledger) == []


async def test_an_approval_is_used_by_one_effect(store: Store) -> None:
    async with store.transaction() as connection:
        rows = [a_ledger_row("k1", "r1/a"), a_ledger_row("k2", None), a_ledger_row("k3", None)]
        await connection.execute(insert(tables.ledger), rows)
    with pytest.raises(IntegrityError):
        async with store.transaction() as connection:
            await connection.execute(insert(tables.ledger), a_ledger_row("k4", "r1/a"))


async def test_one_failing_write_does_not_fail_its_neighbours(store: Store) -> None:
    writes = [store.add_usage(a_usage(str(n))) for n in range(30)]
    broken = store.add_usage(a_usage("broken", model=None))
    ends = await asyncio.gather(*writes[:15], broken, *writes[15:], return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [IntegrityError]
    assert len(await rows_of(store, tables.usage)) == 30


async def test_writes_at_once_share_transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    attempt = store._group._attempt

    async def counting(batch: Sequence[Any]) -> Exception | None:
        batches.append(len(batch))
        return await attempt(batch)

    monkeypatch.setattr(store._group, "_attempt", counting)
    await asyncio.gather(*(store.add_usage(a_usage(str(n))) for n in range(100)))
    assert sum(batches) == 100
    assert len(batches) <= 2


async def test_work_done_together_gives_each_its_own_and_fails_alone(store: Store) -> None:
    await store.add_usage(a_usage("known"))

    async def count(connection: AsyncConnection, name: str) -> int:
        await connection.execute(insert(tables.usage).values(asdict(a_usage(name))))
        return len((await connection.execute(select(tables.usage.c.id).where(tables.usage.c.id == name))).all())

    async def refuse(connection: AsyncConnection) -> None:
        await connection.execute(insert(tables.usage).values(asdict(a_usage("half"))))
        raise PlangateError("no", type=ErrorType.NOT_APPROVED)

    works = [partial(count, name=name) for name in ("a", "known", "b")]
    refused, *given = await asyncio.gather(
        store.together(refuse), *(store.together(work) for work in works), return_exceptions=True
    )
    assert isinstance(refused, PlangateError)
    assert (given[0], given[2]) == (1, 1)
    assert isinstance(given[1], IntegrityError)
    assert {row.id for row in await rows_of(store, tables.usage)} == {"known", "a", "b"}


async def test_work_at_once_shares_a_transaction_on_sqlite(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    attempt = store._group._attempt

    async def counting(batch: Sequence[Any]) -> Exception | None:
        batches.append(len(batch))
        return await attempt(batch)

    monkeypatch.setattr(store._group, "_attempt", counting)

    async def one(connection: AsyncConnection) -> int:
        return int((await connection.execute(select(1))).scalar_one())

    assert await asyncio.gather(*(store.together(one) for _ in range(50))) == [1] * 50
    assert len(batches) < 10
    assert bool(batches) is (store.dialect == "sqlite")


async def test_a_cancelled_caller_takes_nothing_back_and_holds_nothing_up(store: Store) -> None:
    cancelled = asyncio.create_task(store.add_usage(a_usage("1")))
    other = asyncio.create_task(store.add_usage(a_usage("2")))
    await asyncio.sleep(0)
    cancelled.cancel()
    await other
    assert {row.id for row in await rows_of(store, tables.usage)} == {"1", "2"}


async def test_closing_commits_what_waits(database_url: str) -> None:
    store = await Store.open(database_url, upgrade=True)
    writes = [asyncio.create_task(store.add_usage(a_usage(str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    with pytest.raises(RuntimeError, match="closed"):
        await store.add_usage(a_usage("late"))
    async with await Store.open(database_url) as again:
        assert len(await rows_of(again, tables.usage)) == 20


async def test_transactions_and_small_writes_at_once(store: Store) -> None:
    async def effect(number: int) -> None:
        async with store.transaction() as connection:
            await connection.execute(insert(tables.ledger), a_ledger_row(f"k{number}", None))

    await asyncio.gather(*(effect(n) for n in range(30)), *(store.add_usage(a_usage(str(n))) for n in range(30)))
    assert len(await rows_of(store, tables.ledger)) == 30
    assert len(await rows_of(store, tables.usage)) == 30


async def test_cancelled_transactions_leave_nothing_and_hold_nothing_up(store: Store) -> None:
    async def effect(number: int) -> None:
        async with store.transaction() as connection:
            await connection.execute(insert(tables.ledger), a_ledger_row(f"k{number}", None))
            await asyncio.Event().wait()

    for turns in range(40):  # cancelled at a different point each time: waiting, beginning, inserting, inside
        task = asyncio.create_task(effect(turns))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.add_usage(a_usage(str(turns)))
    assert await rows_of(store, tables.ledger) == []
    assert len(await rows_of(store, tables.usage)) == 40


async def test_a_lost_connection_is_replaced(store: Store) -> None:
    if store.dialect != "postgresql":
        pytest.skip("a file has no connection to lose")
    await store.add_usage(a_usage("1"))
    async with store.reading() as connection:
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await connection.execute(text(f"{kill} AND pid <> pg_backend_pid()"))
    await store.add_usage(a_usage("2"))
    assert len(await rows_of(store, tables.usage)) == 2


# --- SQLite ---


async def test_two_stores_write_to_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plangate.db"
    async with await Store.open(url, upgrade=True) as one, await Store.open(url) as two:
        await asyncio.gather(*(s.add_usage(a_usage(f"{id(s)}-{n}")) for n in range(100) for s in (one, two)))
        assert len(await rows_of(one, tables.usage)) == 200


async def test_a_transaction_that_reads_first_still_gets_to_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plangate.db"

    async def count_and_add(store: Store, name: str) -> None:
        async with store.transaction() as connection:
            await connection.execute(select(tables.ledger.c.key))
            await connection.execute(insert(tables.ledger), a_ledger_row(name, None))

    async with await Store.open(url, upgrade=True) as one, await Store.open(url) as two:
        await asyncio.gather(*(count_and_add(s, f"{n}-{id(s)}") for n in range(30) for s in (one, two)))
        assert len(await rows_of(one, tables.ledger)) == 60


async def test_sqlite_is_tuned_and_readers_cannot_write(tmp_path: Path) -> None:
    async with await Store.open(f"sqlite:///{tmp_path}/plangate.db", upgrade=True) as store:
        async with store.transaction() as connection:
            settings = [
                (await connection.execute(text(f"PRAGMA {name}"))).scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
        assert settings == ["wal", 1, 1, 15000]
        with pytest.raises(DBAPIError, match="readonly"):
            async with store.reading() as connection:
                await connection.execute(insert(tables.ledger), a_ledger_row("k", None))
