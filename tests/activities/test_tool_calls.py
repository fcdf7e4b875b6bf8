"""Tool calls: what is checked before, what every idempotency mode keeps from happening twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.storage.store import Store
from plangate.errors import ErrorType
from plangate.runs import INLINE_BYTES
from plangate.tasks import CallResult
from plangate.tool_context import ToolError
from tests.activities.tool_agent import Bench, bench_on

CONSEQUENTIAL: list[tuple[str, dict[str, Any]]] = [("pay", {"amount": 5}), ("book", {}), ("post", {})]
MODES = pytest.mark.parametrize(("name", "args"), CONSEQUENTIAL, ids=["key", "ledger", "check"])


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    return await bench_on(store, tmp_path)


async def effects(bench: Bench) -> int:
    return len(bench.far.effects) + await bench.bookings()


@MODES
async def test_what_is_done_is_answered_from_the_ledger(bench: Bench, name: str, args: dict[str, Any]) -> None:
    call = bench.call(name, args)
    first = await bench.make(call)
    again = await bench.make(call, attempt=2)
    assert first == again
    assert first.result is not None
    assert (first.result.value, first.result.key) == ({"ok": "fine"}, "k")
    assert await effects(bench) == 1
    assert await bench.ledger() == [("k", "done")]


@MODES
async def test_the_same_key_for_other_arguments_is_an_alarm(bench: Bench, name: str, args: dict[str, Any]) -> None:
    await bench.make(bench.call(name, args))
    message = await bench.refused(bench.call(name, {**args, "how": "other"}), ErrorType.IDEMPOTENCY_CONFLICT)
    assert "other arguments" in message
    assert await effects(bench) == 1


@MODES
async def test_two_attempts_at_the_same_time_have_one_effect(bench: Bench, name: str, args: dict[str, Any]) -> None:
    call = bench.call(name, {**args, "how": "wait"})
    first = asyncio.ensure_future(bench.make(call))
    await asyncio.wait_for(bench.far.entered.wait(), 10)
    second = asyncio.ensure_future(bench.make(call, attempt=2))
    ended, _ = await asyncio.wait({second}, timeout=0.3)  # it has no more to do than to wait for the first
    assert not ended
    bench.far.go_on.set()
    results = await asyncio.wait_for(asyncio.gather(first, second), 10)
    assert results[0] == results[1]
    assert await effects(bench) == 1


@MODES
async def test_a_business_error_is_remembered(bench: Bench, name: str, args: dict[str, Any]) -> None:
    call = bench.call(name, {**args, "how": "business"})
    first = await bench.make(call)
    assert first.error is not None
    assert (first.error.type, first.error.message) == (ErrorType.BUSINESS, "the far side said no")
    sent = len(bench.far.effects)
    again = await bench.make(call, attempt=2)
    assert again.error is not None
    assert again.error.message == "the far side said no"
    assert (len(bench.far.effects), await bench.bookings()) == (sent, 0)
    assert await bench.ledger() == [("k", "failed")]


@MODES
async def test_an_approval_is_used_once(bench: Bench, name: str, args: dict[str, Any]) -> None:
    call = bench.granted(bench.call(name, args))
    await bench.make(call)
    await bench.make(call, attempt=2)  # the same effect again is answered, not refused
    message = await bench.refused(call.model_copy(update={"key": "another"}), ErrorType.NOT_APPROVED)
    assert "was used by another call" in message
    assert await effects(bench) == 1
    assert await bench.rows("SELECT key, approval_id FROM ledger") == [("k", "r/s")]


@MODES
async def test_a_cancelled_call_is_finished(bench: Bench, name: str, args: dict[str, Any]) -> None:
    env = ActivityEnvironment()
    running = asyncio.ensure_future(bench.make(bench.call(name, {**args, "how": "wait"}), env=env))
    await asyncio.wait_for(bench.far.entered.wait(), 10)
    env.cancel()
    bench.far.go_on.set()
    result = await asyncio.wait_for(running, 10)
    assert result.result is not None
    assert await effects(bench) == 1
    assert await bench.ledger() == [("k", "done")]


async def test_a_cancelled_read_ends_at_once(bench: Bench) -> None:
    env = ActivityEnvironment()
    running = asyncio.ensure_future(bench.make(bench.call("look", {"how": "wait"}), env=env))
    await asyncio.wait_for(bench.far.entered.wait(), 10)
    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 10)


# --- approvals ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"run": "other"}, "another run"),
        ({"call": "other"}, "another call"),
        ({"tool": "pay"}, "another tool"),
        ({"tool_version": "old"}, "version of the tool"),
        ({"agent_version": "old"}, "version of the agent"),
        ({"digest": "0" * 64}, "arguments"),
    ],
)
async def test_an_approval_holds_for_exactly_one_call(bench: Bench, change: dict[str, str], words: str) -> None:
    message = await bench.refused(bench.granted(bench.call("erase"), **change), ErrorType.NOT_APPROVED)
    assert words in message
    assert "ask again" in message
    assert await effects(bench) == 0
    assert await bench.ledger() == []


async def test_what_the_scope_asks_about_needs_an_approval(bench: Bench) -> None:
    message = await bench.refused(bench.call("erase"), ErrorType.NOT_APPROVED)
    assert "it needs an approval, and there is none" in message
    await bench.refused(bench.call("pay", {"amount": 25}), ErrorType.NOT_APPROVED)
    assert await effects(bench) == 0
    assert (await bench.make(bench.granted(bench.call("erase")))).result is not None
    assert await effects(bench) == 1


async def test_arguments_changed_on_the_way_are_refused(bench: Bench) -> None:
    call = bench.call("pay", {"amount": 5}).model_copy(update={"args": {"amount": 6.0}})
    assert "not those that were bound" in await bench.refused(call, ErrorType.NOT_APPROVED)
    assert await effects(bench) == 0


async def test_a_tool_that_is_never_used_is_blocked_even_with_an_approval(bench: Bench) -> None:
    await bench.refused(bench.granted(bench.call("banned")), ErrorType.BLOCKED)
    assert await effects(bench) == 0


@pytest.mark.parametrize(
    ("change", "type"),
    [
        ({"agent": "shp"}, ErrorType.UNKNOWN_AGENT),
        ({"tool": "lok"}, ErrorType.UNKNOWN_TOOL),
        ({"args": {"nothing": 1}, "digest": ""}, ErrorType.INVALID_ARGUMENTS),
        ({"args_key": "gone", "digest": ""}, ErrorType.UNRESOLVED_REFERENCE),
    ],
)
async def test_what_cannot_be_called_says_why(bench: Bench, change: dict[str, Any], type: ErrorType) -> None:
    await bench.refused(bench.call("look").model_copy(update=change), type)
    assert await effects(bench) == 0


# --- the ledger's transaction ---


@pytest.mark.parametrize("how", ["busy", "permanent", "bug", "wrong"])
async def test_a_ledger_tools_effect_and_row_roll_back_together(bench: Bench, how: str) -> None:
    await bench.fails(bench.granted(bench.call("book", {"how": how})))
    assert await bench.bookings() == 0
    assert await bench.ledger() == []


async def test_a_result_of_the_wrong_type_commits_nothing(bench: Bench) -> None:
    assert "ok" in await bench.refused(bench.call("book", {"how": "wrong"}), ErrorType.INVALID_RESULT)
    assert await bench.bookings() == 0


async def test_a_result_too_large_commits_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.invoking.MAX_RESULT_BYTES", 1000)
    await bench.refused(bench.call("book", {"how": "large"}), ErrorType.RESULT_TOO_LARGE)
    assert await bench.bookings() == 0


@pytest.mark.parametrize(("name", "args"), [("pay", {"amount": 5}), ("post", {})], ids=["key", "check"])
async def test_a_call_that_was_made_but_whose_result_cannot_be_used_is_unknown(
    bench: Bench, name: str, args: dict[str, Any]
) -> None:
    """No fallback and no revised plan may make it again."""
    call = bench.call(name, {**args, "how": "wrong"})
    message = await bench.refused(call, ErrorType.OUTCOME_UNKNOWN)
    assert "the call was made, but it returned what its type forbids: ok: " in message
    assert await bench.ledger() == [("k", "unknown")]
    await bench.refused(call, ErrorType.OUTCOME_UNKNOWN)
    assert await effects(bench) == 1


# --- check: sent once, then read back ---


async def test_a_check_tool_is_not_read_back_at_first(bench: Bench) -> None:
    bench.far.read_back = {"ok": "found"}
    result = await bench.make(bench.call("post"))
    assert result.result is not None
    assert result.result.value == {"ok": "fine"}


async def crashed(bench: Bench) -> Any:
    """A call whose first attempt took effect, but ended without an answer."""
    call = bench.call("post", {"how": "busy"})
    error, _ = await bench.fails(call)
    assert not error.non_retryable
    assert await bench.ledger() == [("k", "intended")]
    assert len(bench.far.effects) == 1
    return call


async def test_after_a_crash_what_is_found_is_not_sent_again(bench: Bench) -> None:
    call = await crashed(bench)
    bench.far.read_back = {"ok": "found"}
    result = await bench.make(call, attempt=2)
    assert result.result is not None
    assert result.result.value == {"ok": "found"}
    assert len(bench.far.effects) == 1
    assert await bench.ledger() == [("k", "done")]


async def test_after_a_crash_what_is_not_found_is_sent(bench: Bench) -> None:
    call = await crashed(bench)
    bench.far.read_back = None
    await bench.fails(call, attempt=2)
    assert len(bench.far.effects) == 2


async def test_after_a_crash_what_cannot_be_told_is_left_to_a_person(bench: Bench) -> None:
    call = await crashed(bench)
    bench.far.read_back = ToolError("the archive is closed")
    error, payload = await bench.fails(call, attempt=2)
    assert (payload.type, error.non_retryable) == (ErrorType.OUTCOME_UNKNOWN, True)
    assert "the archive is closed" in payload.message
    assert await bench.ledger() == [("k", "unknown")]
    bench.far.read_back = None
    await bench.fails(call, attempt=3)
    assert len(bench.far.effects) == 1


async def test_a_read_back_that_fails_for_the_moment_is_tried_again(bench: Bench) -> None:
    call = await crashed(bench)
    bench.far.read_back = ToolError("busy", transient=True)
    error, payload = await bench.fails(call, attempt=2)
    assert (payload.type, error.non_retryable) == (ErrorType.UNAVAILABLE, False)
    assert len(bench.far.effects) == 1
    assert await bench.ledger() == [("k", "intended")]


# --- results ---


async def test_large_results_come_by_reference(bench: Bench) -> None:
    result = await bench.make(bench.call("look", {"how": "large"}))
    assert result.result is not None
    assert not result.result.inline
    assert result.result.value is None
    assert result.result.size > INLINE_BYTES
    assert await bench.store.load_results(["k"]) == {"k": {"ok": "x" * 100_000}}


async def test_large_arguments_are_loaded(bench: Bench) -> None:
    text = '{"how":"from the store","password":""}'
    await bench.store.put_result(key="k:args", run="r", step="s", call="s", value_json=text)
    call = bench.call("look", {"how": "from the store"}).model_copy(update={"args": {}, "args_key": "k:args"})
    result: CallResult = await bench.make(call)
    assert result.result is not None
    assert result.result.value == {"ok": "from the store"}


async def test_a_write_tools_rows_commit_with_its_end_and_roll_back_with_its_fault(bench: Bench) -> None:
    await bench.make(bench.call("draft"))
    assert await bench.bookings() == 1
    await bench.fails(bench.call("draft", {"how": "bug"}, key="k2"))
    assert (await bench.make(bench.call("draft", {"how": "business"}, key="k3"))).error is not None
    assert await bench.bookings() == 1
    assert await bench.ledger() == []
