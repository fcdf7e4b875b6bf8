"""Calling a tool: time limits, threads, checked results; through the whole activity where it matters."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from activities.invoking import LazyConnection, as_result, encode
from activities.storage.store import Store
from plangate.errors import ErrorType, PlangateError
from plangate.runs import INLINE_BYTES
from plangate.toolkit import TOOL_ATTRIBUTE, Tool, tool
from tests.activities.tool_agent import Bench, bench_on


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    return await bench_on(store, tmp_path)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["look", "block"])
async def test_a_tool_that_hangs_meets_its_limit_in_a_thread_too(bench: Bench, name: str) -> None:
    try:
        error, payload = await bench.fails(bench.call(name, {"how": "hang"}))
    finally:
        bench.far.release.set()
    assert payload.type is ErrorType.TIMEOUT
    assert "longer than its limit of 2 s" in payload.message
    assert not error.non_retryable


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_sync_tool_runs_in_a_thread_and_the_loop_goes_on(bench: Bench) -> None:
    call = asyncio.ensure_future(bench.make(bench.call("block", {"how": "hang"})))
    turns = 0
    while not bench.far.effects:
        await asyncio.sleep(0)
        turns += 1
    bench.far.release.set()
    result = await call
    assert result.result is not None
    assert bench.far.effects[0]["thread"] != threading.current_thread().name
    assert turns > 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_tool_knows_its_call(bench: Bench) -> None:
    await bench.make(bench.call("look", call="s.2", user="ann", session="talk"), attempt=3)
    (ctx,) = bench.far.contexts
    assert (ctx.run, ctx.step, ctx.agent, ctx.user, ctx.session) == ("r", "s.2", "shop", "ann", "talk")
    assert (ctx.attempt, ctx.idempotency_key) == (3, "k")
    assert ctx.settings == {"payments_url": "http://127.0.0.1:1"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("how", "type", "seconds"),
    [("transient", ErrorType.UNAVAILABLE, (7, 7)), ("429", ErrorType.RATE_LIMITED, (11, 11)),
     ("refused", ErrorType.NETWORK, (2, 4)), ("permanent", ErrorType.PERMANENT, None), ("bug", ErrorType.BUG, None)],
)  # fmt: skip
async def test_faults_of_a_tool_become_temporals_retries(
    bench: Bench, how: str, type: ErrorType, seconds: tuple[float, float] | None
) -> None:
    error, payload = await bench.fails(bench.call("look", {"how": how, "password": "hunter2"}))
    assert payload.type is type
    assert error.non_retryable == (seconds is None)
    assert payload.input == {"how": how, "password": "[redacted]"}
    if seconds is not None:
        assert error.next_retry_delay is not None
        assert seconds[0] <= error.next_retry_delay.total_seconds() <= seconds[1]


HUGE = 10**5000


class Money(BaseModel):
    value: float


def returning(hint: Any) -> Tool:
    def made() -> Any:
        """Make something."""

    made.__annotations__["return"] = hint
    return getattr(tool(effect="read")(made), TOOL_ATTRIBUTE)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (dict[str, int], {"count": "many"}, "count: Input should be a valid integer"),
        (list[Money], [{"value": 1}, {"value": "x"}], "1.value: "),
        (str, None, "result: Input should be a valid string"),
        (Money, Money.model_construct(value=["no"]), "JSON"),
        (Any, object(), "can't be written as JSON"),
        (str, "\ud800", "can't be written as JSON"),
        (int, HUGE, "digits"),
    ],
    ids=["field", "item", "none", "constructed", "object", "surrogate", "digits"],
)
def test_a_result_that_its_type_forbids_names_the_field(hint: Any, value: Any, words: str) -> None:
    with pytest.raises(PlangateError) as caught:
        encode(returning(hint), value)
    assert caught.value.type is ErrorType.INVALID_RESULT
    assert words in caught.value.message


def test_what_is_encoded_is_json_of_the_tools_type() -> None:
    assert encode(returning(Money), {"value": "5"}) == '{"value":5.0}'
    assert encode(returning(str), "9" * 5000) == f'"{"9" * 5000}"'
    assert encode(returning(float), float("nan")) == "null"


def test_the_bound_of_results_is_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.invoking.MAX_RESULT_BYTES", 6)
    assert encode(returning(str), "üü") == '"üü"'
    with pytest.raises(PlangateError) as caught:
        encode(returning(str), "üüx")
    assert caught.value.type is ErrorType.RESULT_TOO_LARGE


def test_only_small_results_are_inline() -> None:
    small, large = as_result("k", f'"{"x" * (INLINE_BYTES - 2)}"'), as_result("k", f'"{"x" * (INLINE_BYTES - 1)}"')
    assert (small.inline, small.size, len(small.value)) == (True, INLINE_BYTES, INLINE_BYTES - 2)
    assert (large.inline, large.value, large.key) == (False, None, "k")
    assert 0 < len(large.preview) <= 200


async def test_the_connection_of_a_plain_tool_is_made_on_first_use(store: Store) -> None:
    unused = LazyConnection(store, write=True)
    await unused.close()
    assert unused.dialect.name == store.dialect
    for failed in (False, True):
        connection = LazyConnection(store, write=True)
        await connection.execute(text("CREATE TABLE IF NOT EXISTS t (n INTEGER)"))
        await connection.close()
        connection = LazyConnection(store, write=True)
        await connection.execute(text("INSERT INTO t VALUES (1)"))
        error = KeyError("x") if failed else None
        try:
            await connection.close(error)
        except KeyError:
            assert failed
    reader = LazyConnection(store, write=False)
    assert await reader.scalar(text("SELECT count(*) FROM t")) == 1
    await reader.close()
