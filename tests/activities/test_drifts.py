"""Answers that no longer fit: what becomes of the effect in each mode, and how they are counted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from activities.drifts import ADDITION_SECONDS, MAX_KNOWN, Drifts
from activities.storage import drifts
from activities.storage.store import Store
from plangate import ToolContext, ToolError
from plangate.errors import ErrorType
from plangate.replies import Difference, DifferenceKind, ResponseDrift
from tests.activities.tool_agent import Bench, bench_on

MISSING, NEW = "`ok` is missing", "new: `fee`"


class Reply(BaseModel):
    ok: str


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    return await bench_on(store, tmp_path)


def answering(bench: Bench, name: str, *bodies: Any, sent: bool = True) -> None:
    """Let a tool have its effect and then read these answers, one an attempt; an exception is raised instead."""
    tool, left = bench.agent.tools[name], list(bodies)

    async def answer(ctx: ToolContext, **_: Any) -> dict[str, str]:
        body = left.pop(0)
        if isinstance(body, Exception):
            raise body
        if name == "book":
            assert ctx.database is not None
            await ctx.database.execute(text("INSERT INTO bookings (what) VALUES ('room')"))
        elif sent:
            bench.far.took(ctx)
        return ctx.reply(Reply, body, sent=sent).model_dump()

    bench.agent.tools[name] = dataclasses.replace(tool, function=answer)  # type: ignore[index]


async def seen(store: Store) -> list[tuple[str, str, str, str, int]]:
    found = await drifts.listed(store)
    return [(each.dependency, each.tool, each.kind, each.what, each.count) for each in found]


async def test_a_read_fails_and_says_what_changed(bench: Bench, store: Store) -> None:
    answering(bench, "look", {"okay": "secret"})
    error, payload = await bench.fails(bench.call("look"))
    assert (payload.type, error.non_retryable) == (ErrorType.RESPONSE_DRIFT, True)
    assert payload.message == "look failed: the answer doesn't fit Reply any more: `ok` is missing; new: `okay`"
    assert payload.details == [MISSING, "new: `okay`"]
    assert "secret" not in payload.model_dump_json()
    assert await seen(store) == [
        ("tool:look", "look", "drift", MISSING, 1),
        ("tool:look", "look", "addition", "new: `okay`", 1),
    ]


@pytest.mark.parametrize("name", ["pay", "erase"])
async def test_what_was_sent_under_a_key_is_unknown_and_not_sent_again(bench: Bench, name: str) -> None:
    answering(bench, name, {}, {"ok": "fine"})
    call = bench.call(name, {"amount": 5} if name == "pay" else {})
    call = bench.granted(call) if name == "erase" else call
    error, payload = await bench.fails(call)
    assert (payload.type, error.non_retryable) == (ErrorType.OUTCOME_UNKNOWN, True)
    assert "the call was made, but the answer" in payload.message
    assert MISSING in payload.message
    assert await bench.ledger() == [("k", "unknown")]
    _, payload = await bench.fails(call, attempt=2)
    assert payload.type is ErrorType.OUTCOME_UNKNOWN
    assert len(bench.far.effects) == 1


async def test_a_tool_that_can_tell_says_so(bench: Bench, store: Store) -> None:
    tool = bench.agent.tools["pay"]

    async def pay(ctx: ToolContext, **_: Any) -> dict[str, str]:
        try:
            return ctx.reply(Reply, {"okay": "x"}).model_dump()
        except ResponseDrift:
            raise ToolError("the bank's list has no such payment", permanent=True) from None

    bench.agent.tools["pay"] = dataclasses.replace(tool, function=pay)  # type: ignore[index]
    _, payload = await bench.fails(bench.call("pay", {"amount": 5}))
    assert payload.type is ErrorType.PERMANENT
    assert await bench.ledger() == [("k", "failed")]
    assert len(await seen(store)) == 2  # counted all the same


async def test_before_anything_was_sent_it_failed_for_sure(bench: Bench) -> None:
    answering(bench, "pay", {}, sent=False)
    _, payload = await bench.fails(bench.call("pay", {"amount": 5}))
    assert payload.type is ErrorType.RESPONSE_DRIFT
    assert (await bench.ledger(), bench.far.effects) == ([("k", "failed")], [])


async def test_before_anything_was_sent_says_nothing_of_the_attempt_before(bench: Bench) -> None:
    answering(bench, "pay", TimeoutError("no answer"), {}, sent=False)
    call = bench.call("pay", {"amount": 5})
    await bench.fails(call)
    _, payload = await bench.fails(call, attempt=2)
    assert payload.type is ErrorType.OUTCOME_UNKNOWN
    assert await bench.ledger() == [("k", "unknown")]


async def test_a_ledger_effect_is_rolled_back(bench: Bench) -> None:
    answering(bench, "book", {}, {"ok": "fine"})
    call = bench.call("book")
    error, payload = await bench.fails(call)
    assert (payload.type, error.non_retryable) == (ErrorType.RESPONSE_DRIFT, True)
    assert (await bench.bookings(), await bench.ledger()) == (0, [])
    assert (await bench.make(call, attempt=2)).result is not None
    assert (await bench.bookings(), await bench.ledger()) == (1, [("k", "done")])


async def test_a_read_back_finds_the_effect(bench: Bench, store: Store) -> None:
    answering(bench, "post", {"okay": "x"})
    bench.far.read_back = {"ok": "found"}
    result = (await bench.make(bench.call("post"))).result
    assert result is not None
    assert result.value == {"ok": "found"}
    assert (await bench.ledger(), len(bench.far.effects)) == ([("k", "done")], 1)
    assert [row[2:] for row in await seen(store)] == [("drift", MISSING, 1), ("addition", "new: `okay`", 1)]


@pytest.mark.parametrize("read_back", [None, ToolError("can't tell"), TimeoutError("the mailbox is away")])
async def test_a_read_back_that_finds_nothing_leaves_it_unknown(bench: Bench, read_back: Exception | None) -> None:
    answering(bench, "post", {}, {"ok": "again"})
    bench.far.read_back = read_back
    call = bench.call("post")
    error, payload = await bench.fails(call)
    assert (payload.type, error.non_retryable) == (ErrorType.OUTCOME_UNKNOWN, True)
    assert str(read_back or "") in payload.message
    await bench.fails(call, attempt=2)
    assert (await bench.ledger(), len(bench.far.effects)) == ([("k", "unknown")], 1)


# --- counting ---


async def test_additions_are_written_when_new_and_then_once_a_minute(bench: Bench, store: Store) -> None:
    now, tool = [0.0], bench.agent.tools["look"]
    counter = Drifts(store, clock=lambda: now[0])
    new = [Difference(DifferenceKind.ADDITION, NEW)]
    counts = []
    for step in (0.0, 1.0, 1.0, ADDITION_SECONDS):
        now[0] += step
        await counter.note(tool, new)
        counts.append((await seen(store))[0][-1])
    assert counts == [1, 1, 1, 4]
    await counter.note(tool, [*new, Difference(DifferenceKind.DRIFT, MISSING)])
    assert {row[2]: row[-1] for row in await seen(store)} == {"drift": 1, "addition": 5}
    (_, addition) = await drifts.listed(store)
    assert addition.first_seen < addition.last_seen


async def test_workers_count_together_and_write_the_rest_when_they_end(bench: Bench, database_url: str) -> None:
    tool, new = bench.agent.tools["look"], [Difference(DifferenceKind.ADDITION, NEW)]
    for _ in range(2):
        async with await Store.open(database_url) as other:
            counter = Drifts(other)
            for _ in range(3):
                await counter.note(tool, new)
    assert await seen(bench.store) == [("tool:look", "look", "addition", NEW, 6)]


async def test_a_far_side_that_makes_up_names_fills_no_table(bench: Bench, store: Store) -> None:
    counter, tool = Drifts(store, clock=lambda: 0.0), bench.agent.tools["look"]
    many = [Difference(DifferenceKind.ADDITION, f"new: `f{number}`") for number in range(MAX_KNOWN)]
    await counter.note(tool, many)
    await counter.note(tool, [Difference(DifferenceKind.DRIFT, f"new: `g{number}`") for number in range(5)])
    found = {row[3]: row[-1] for row in await seen(store)}
    assert (len(found), found["other differences"]) == (MAX_KNOWN + 1, 5)


async def test_a_count_that_cant_be_written_fails_no_call(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(drifts, "add", away)
        answering(bench, "pay", {"ok": "fine", "fee": 1}, {"ok": "fine", "fee": 1})
        assert (await bench.make(bench.call("pay", {"amount": 5}))).result is not None
    await bench.activities._drifts._write_all()
    assert [row[2:] for row in await seen(bench.store)] == [("addition", NEW, 1)]
