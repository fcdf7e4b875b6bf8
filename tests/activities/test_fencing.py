"""Attempts that outlive their time: two workers on one database, and effects counted at the far side."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from activities import ledger
from activities.catalogue import Catalogue
from activities.fencing import Window
from activities.ledger import LedgerState
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.errors import ErrorType
from plangate.tasks import CallResult, ToolCall
from plangate.tool_context import ToolContext, ToolError
from plangate.tool_policy import Idempotency
from plangate.toolkit import TOOL_ATTRIBUTE, Tool, tool
from tests.activities.tool_agent import Bench, agent_of, bench_on

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RULES = "".join(f"| {name} | Acts | by itself |\n" for name in ("send", "deliver", "pay", "book", "put"))


@dataclass
class FarSide:
    """The far side, and where the tests hold an attempt: before its effect."""

    effects: list[int] = field(default_factory=list)
    """The attempts that had an effect."""
    keys: set[str] = field(default_factory=set)
    hold: set[int] = field(default_factory=set)
    """Attempts that wait before their effect."""
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    thread: threading.Event = field(default_factory=threading.Event)
    thread_ended: threading.Event = field(default_factory=threading.Event)
    polite: bool = False
    """Whether the sync tool asks before it sends."""
    block: float = 0.0
    """Seconds for which the whole process stands still."""
    say: dict[int, Exception] = field(default_factory=dict)
    """What an attempt ends with after its effect, or without one if it is a ToolError of business."""
    read_back: Callable[[], Awaitable[Any]] | None = None

    async def act(self, ctx: ToolContext, *, by_key: bool = False) -> dict[str, int]:
        if ctx.attempt in self.hold:
            self.entered.set()
            await self.go_on.wait()
        if not by_key or ctx.idempotency_key not in self.keys:
            self.effects.append(ctx.attempt)
        self.keys.add(ctx.idempotency_key)
        if ctx.attempt in self.say:
            raise self.say[ctx.attempt]
        return {"attempt": ctx.attempt}

    async def found(self) -> Any:
        if self.read_back is not None:
            return await self.read_back()
        return {"attempt": self.effects[0]} if self.effects else None


def tools(far: FarSide) -> dict[str, Tool]:
    async def find(ctx: ToolContext) -> dict[str, int] | None:
        return await far.found()  # type: ignore[no-any-return]

    @tool(effect="consequential", idempotency="check", read_back=find, timeout=5, retries=1)
    async def send(ctx: ToolContext) -> dict[str, int]:
        """Send."""
        return await far.act(ctx)

    @tool(effect="consequential", idempotency="check", read_back=find, timeout=1.5, retries=1)
    def deliver(ctx: ToolContext) -> dict[str, int]:
        """Deliver from a thread."""
        try:
            if ctx.attempt in far.hold:
                far.thread.wait(20)
            if far.polite and not ctx.still_mine():
                raise ToolError("too late", transient=True)
            far.effects.append(ctx.attempt)
            return {"attempt": ctx.attempt}
        finally:
            far.thread_ended.set()

    @tool(effect="consequential", idempotency="key", timeout=5, retries=1)
    async def pay(ctx: ToolContext) -> dict[str, int]:
        """Pay."""
        return await far.act(ctx, by_key=True)

    @tool(effect="consequential", idempotency="natural", timeout=5, retries=1)
    async def put(ctx: ToolContext) -> dict[str, int]:
        """Put."""
        return await far.act(ctx)

    @tool(effect="consequential", idempotency="ledger", timeout=5, retries=1)
    async def book(ctx: ToolContext) -> dict[str, int]:
        """Book."""
        assert ctx.database is not None
        await ctx.database.execute(text("INSERT INTO bookings (what) VALUES ('room')"))
        if far.block:
            time.sleep(far.block)  # noqa: ASYNC251 - stands for a process that is frozen
        return await far.act(ctx)

    return {each.name: each for each in (getattr(f, TOOL_ATTRIBUTE) for f in (send, deliver, pay, put, book))}


@dataclass
class Workers:
    one: Bench
    two: Bench
    far: FarSide

    def limit(self, seconds: float) -> None:
        """Give every attempt so long."""
        for bench in (self.one, self.two):
            for name, each in bench.agent.tools.items():
                settings = each.settings.model_copy(update={"timeout": seconds})
                bench.agent.tools[name] = dataclasses.replace(each, settings=settings)

    async def lapse(self) -> None:
        """As if the window of whoever holds the row had passed while its process was frozen."""
        async with self.two.store.transaction() as conn:
            past = datetime.now(UTC) - timedelta(minutes=1)
            await conn.execute(text("UPDATE ledger SET lease_until = :past"), {"past": past})

    async def state(self) -> str:
        ((_, state),) = await self.one.ledger()
        return str(state)


@pytest.fixture
async def workers(store: Store, database_url: str, tmp_path: Path) -> AsyncIterator[Workers]:
    plain = await bench_on(store, tmp_path / "plain")
    far = FarSide()
    async with await Store.open(database_url) as other:
        agent = dataclasses.replace(agent_of(tmp_path / "far", plain.far, rules=RULES), tools=tools(far))
        catalogue = Catalogue(agents={"shop": agent})
        benches = [
            Bench(agent, each, plain.far, ToolActivities(catalogue, each, environ={})) for each in (store, other)
        ]
        try:
            yield Workers(benches[0], benches[1], far)
        finally:
            far.thread.set()
            far.go_on.set()


async def zombie(workers: Workers, call: ToolCall) -> asyncio.Future[CallResult]:
    """An attempt of the first worker that Temporal has given up on, held right before its effect."""
    workers.far.hold.add(1)
    running = asyncio.ensure_future(workers.one.make(call))
    await asyncio.wait_for(workers.far.entered.wait(), 10)
    return running


def value(result: CallResult) -> Any:
    assert result.result is not None, result
    return result.result.value


async def eventually(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await what():  # noqa: ASYNC110 - what another worker wrote
            await asyncio.sleep(0.01)


# --- check ---


async def test_a_check_attempt_that_may_still_send_is_waited_for(workers: Workers) -> None:
    call = workers.one.call("send")
    first = await zombie(workers, call)
    second = await workers.two.make(call, attempt=2)
    assert (second.result, second.in_doubt) == (None, True)
    assert second.failed == 1  # the one before counts, this one didn't begin
    assert second.blocked_until is not None
    assert timedelta(seconds=1) < second.blocked_until - datetime.now(UTC) < timedelta(seconds=6)
    assert "an earlier attempt may still be under way" in second.reason
    workers.far.go_on.set()
    assert value(await asyncio.wait_for(first, 10)) == {"attempt": 1}
    assert value(await workers.two.make(call, attempt=2)) == {"attempt": 1}
    assert workers.far.effects == [1]


async def test_what_an_earlier_attempt_has_sent_already_is_found_before_anybody_waits(workers: Workers) -> None:
    call = workers.one.call("send")
    first = await zombie(workers, call)

    async def there() -> Any:
        return {"attempt": 1}

    workers.far.read_back = there
    assert value(await workers.two.make(call, attempt=2)) == {"attempt": 1}
    assert await workers.state() == "done"
    workers.far.go_on.set()
    await asyncio.wait_for(first, 10)
    assert workers.far.effects == [1]


async def test_a_check_attempt_gives_up_with_its_time_and_its_successor_sends(workers: Workers) -> None:
    workers.limit(1.5)
    call = workers.one.call("send")
    first = await zombie(workers, call)
    with pytest.raises(Exception, match="longer than its limit"):
        await asyncio.wait_for(first, 10)
    assert value(await workers.two.make(call, attempt=2)) == {"attempt": 2}
    assert workers.far.effects == [2]
    assert await workers.state() == "done"


async def test_a_frozen_attempts_late_end_is_refused(workers: Workers) -> None:
    call = workers.one.call("send")
    first = await zombie(workers, call)
    await workers.lapse()
    assert value(await workers.two.make(call, attempt=2)) == {"attempt": 2}
    before = await workers.one.rows("SELECT * FROM ledger")
    workers.far.go_on.set()
    assert value(await asyncio.wait_for(first, 10)) == {"attempt": 2}  # the ledger's word, not its own
    assert await workers.one.rows("SELECT * FROM ledger") == before


async def test_when_a_frozen_attempt_sends_before_its_successor_does_a_person_is_asked(workers: Workers) -> None:
    call = workers.one.call("send")
    first = await zombie(workers, call)
    await workers.lapse()

    async def the_first_wakes_up() -> Any:
        workers.far.go_on.set()
        with pytest.raises(Exception, match="another attempt has taken this one's place"):
            await asyncio.wait_for(first, 10)

    workers.far.read_back = the_first_wakes_up  # after it was asked, and it said: not there
    await workers.two.fails(call, attempt=2)
    assert workers.far.effects == [1]
    assert await workers.state() == "unknown"


@SQLITE
async def test_a_slow_read_back_leaves_no_time_to_send(workers: Workers) -> None:
    workers.limit(1.5)
    call = workers.one.call("send")
    workers.far.say[1] = ToolError("busy", transient=True)
    await workers.one.fails(call)

    async def slow() -> Any:
        time.sleep(1.5)  # noqa: ASYNC251
        return None

    workers.far.read_back = slow
    _, payload = await workers.two.fails(call, attempt=2)
    assert payload.type is ErrorType.OUTCOME_UNKNOWN  # the last attempt sent nothing, the first may have
    assert workers.far.effects == [1]


@SQLITE
async def test_a_run_of_an_older_version_of_the_tool_keeps_its_shorter_limit(workers: Workers) -> None:
    tool_ = workers.one.agent.tools["send"]
    settings = tool_.settings.model_copy(update={"timeout": 1.5})
    older = dataclasses.replace(workers.one.agent, tools={"send": dataclasses.replace(tool_, settings=settings)})
    workers.far.hold.add(1)
    _, payload = await dataclasses.replace(workers.one, agent=older).fails(workers.one.call("send"))
    assert "longer than its limit of 1.5 s" in payload.message
    assert workers.far.effects == []


# --- check, in a thread ---


async def test_a_thread_that_outlives_its_limit_is_waited_for_and_heard(workers: Workers) -> None:
    call = workers.one.call("deliver")
    workers.far.hold.add(1)
    error, payload = await workers.one.fails(call)
    assert (payload.type, error.non_retryable) == (ErrorType.TIMEOUT, False)
    await eventually(lambda: _held(workers, call))
    workers.far.thread.set()
    await eventually(lambda: _is(workers, "done"))
    assert value(await workers.two.make(call, attempt=2)) == {"attempt": 1}
    assert workers.far.effects == [1]


async def _held(workers: Workers, call: ToolCall) -> bool:
    result = await workers.two.make(call, attempt=2)
    return result.blocked_until is not None and result.blocked_until > datetime.now(UTC) + timedelta(seconds=5)


async def _is(workers: Workers, state: str) -> bool:
    return await workers.state() == state


@SQLITE
async def test_a_thread_that_asks_before_it_sends_gives_up(workers: Workers) -> None:
    call = workers.one.call("deliver")
    workers.far.hold.add(1)
    workers.far.polite = True
    await workers.one.fails(call)
    workers.far.thread.set()
    await asyncio.to_thread(workers.far.thread_ended.wait, 10)

    async def delivered() -> bool:
        return (await workers.two.make(call, attempt=2)).result is not None

    await eventually(delivered)
    assert workers.far.effects == [2]


@SQLITE
async def test_an_outcome_that_comes_after_the_last_attempt_is_not_lost(workers: Workers) -> None:
    call = workers.one.call("deliver")
    workers.far.hold.add(2)
    workers.far.say = {}
    await workers.one.fails(call, attempt=2)
    assert await workers.state() == "unknown"
    workers.far.thread.set()
    await eventually(lambda: _is(workers, "done"))


@SQLITE
async def test_a_call_for_which_no_thread_was_free_sent_nothing(workers: Workers, store: Store) -> None:
    busy = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(busy.wait, 20)
        catalogue = Catalogue(agents={"shop": workers.one.agent})
        one = dataclasses.replace(
            workers.one, activities=ToolActivities(catalogue, store, environ={}, executor=executor)
        )
        _, payload = await one.fails(one.call("deliver"))
        busy.set()
    assert "no thread was free" in payload.message
    assert workers.far.effects == []
    assert await workers.state() == "resolved"


# --- key ---


async def test_a_key_attempts_successor_goes_on_at_once_and_the_zombie_writes_nothing(workers: Workers) -> None:
    call = workers.one.call("pay")
    first = await zombie(workers, call)
    assert value(await workers.two.make(call, attempt=2)) == {"attempt": 2}
    before = await workers.one.rows("SELECT * FROM ledger")
    workers.far.go_on.set()
    assert value(await asyncio.wait_for(first, 10)) == {"attempt": 2}
    assert await workers.one.rows("SELECT * FROM ledger") == before
    assert workers.far.effects == [2]


@pytest.mark.parametrize("error", [ToolError("no"), ToolError("gone", permanent=True), TimeoutError()])
async def test_a_zombies_fault_is_not_its_successors(workers: Workers, error: Exception) -> None:
    call = workers.one.call("pay")
    workers.far.say[1] = error
    first = await zombie(workers, call)
    workers.far.hold.add(2)
    workers.far.entered.clear()
    second = asyncio.ensure_future(workers.two.make(call, attempt=2))
    await asyncio.wait_for(workers.far.entered.wait(), 10)
    assert await workers.state() == "intended"
    workers.far.go_on.set()
    await asyncio.gather(first, return_exceptions=True)
    assert value(await asyncio.wait_for(second, 10)) == {"attempt": 2}
    assert await workers.state() == "done"
    assert len(workers.far.effects) == 1


@SQLITE
async def test_a_no_while_an_earlier_attempt_may_be_on_its_way_is_not_the_end(workers: Workers) -> None:
    call = workers.one.call("pay")
    await zombie(workers, call)
    workers.far.say[2] = ToolError("this key is in use")
    held = await workers.two.make(call, attempt=2)
    assert (held.error, held.in_doubt) == (None, True)
    assert held.blocked_until is not None
    assert await workers.state() == "intended"


@SQLITE
@pytest.mark.parametrize(
    ("name", "error", "state"),
    [
        ("pay", ToolError("no"), "failed"),  # had it happened, the key would have brought the first answer again
        ("pay", ToolError("who are you?", permanent=True, type=ErrorType.AUTHENTICATION), "unknown"),
        ("pay", ToolError("gone", permanent=True), "unknown"),
        ("put", ToolError("no"), "unknown"),
        ("put", ToolError("gone", permanent=True), "unknown"),
        ("send", ToolError("no"), "failed"),  # the read-back has said that the first did not happen
        ("send", ToolError("gone", permanent=True), "failed"),
    ],
)
async def test_a_clear_no_after_an_attempt_without_an_answer(
    workers: Workers, name: str, error: Exception, state: str
) -> None:
    call = workers.one.call(name)
    workers.far.say = {1: ToolError("busy", transient=True), 2: error}
    await workers.one.fails(call)

    async def not_there() -> Any:
        return None

    workers.far.read_back = not_there
    if state == "unknown":
        failure, payload = await workers.two.fails(call, attempt=2)
        assert (payload.type, failure.non_retryable) == (ErrorType.OUTCOME_UNKNOWN, True)
    elif isinstance(error, ToolError) and error.type is ErrorType.BUSINESS:
        assert (await workers.two.make(call, attempt=2)).error is not None
    else:
        await workers.two.fails(call, attempt=2)
    assert await workers.state() == state


@SQLITE
async def test_a_defect_after_the_effect_leaves_it_to_a_person(workers: Workers) -> None:
    workers.far.say[1] = KeyError("x")
    await workers.one.fails(workers.one.call("pay"))
    assert await workers.state() == "unknown"


@SQLITE
async def test_a_failed_row_without_its_reason_is_not_tried_again(workers: Workers, store: Store) -> None:
    call = workers.one.call("pay")
    async with store.transaction() as conn:
        await ledger.claim(conn, call, digest=call.digest, mode=Idempotency.KEY, token="one", seconds=1)
        await ledger.finish(conn, "k", LedgerState.FAILED, token="one")
    assert (await workers.one.make(call)).error is not None
    assert workers.far.effects == []


# --- ledger ---


async def test_a_ledger_attempt_and_its_successor_have_one_effect(workers: Workers) -> None:
    call = workers.one.call("book")
    first = await zombie(workers, call)
    second = asyncio.ensure_future(workers.two.make(call, attempt=2))
    ended, _ = await asyncio.wait({second}, timeout=0.3)  # nothing tells that it waits for the first one's lock
    assert not ended
    workers.far.go_on.set()
    assert value(await asyncio.wait_for(first, 10)) == {"attempt": 1}
    assert value(await asyncio.wait_for(second, 10)) == {"attempt": 1}
    assert await workers.one.bookings() == 1


async def test_a_ledger_attempt_whose_time_is_over_commits_nothing(workers: Workers) -> None:
    workers.limit(1.5)
    workers.far.block = 1.5
    call = workers.one.call("book")
    error, payload = await workers.one.fails(call)
    assert (payload.type, error.non_retryable) == (ErrorType.TIMEOUT, False)
    assert "rolled back" in payload.message
    assert (await workers.one.bookings(), await workers.one.ledger()) == (0, [])
    workers.far.block = 0
    assert value(await workers.two.make(call, attempt=2)) == {"attempt": 2}
    assert await workers.one.bookings() == 1


async def test_a_no_is_in_the_ledger_before_another_attempt_gets_at_the_row(workers: Workers) -> None:
    call = workers.one.call("book")
    workers.far.say = {1: ToolError("sold out"), 2: ToolError("the second was asked")}
    first = await zombie(workers, call)
    second = asyncio.ensure_future(workers.two.make(call, attempt=2))
    workers.far.go_on.set()
    for result in await asyncio.wait_for(asyncio.gather(first, second), 10):
        assert result.error is not None
        assert result.error.message == "sold out"
    assert await workers.state() == "failed"
    assert await workers.one.bookings() == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_database_ends_the_transaction_of_a_worker_that_fell_silent(workers: Workers, store: Store) -> None:
    call = workers.one.call("book")

    async def frozen() -> None:
        async with store.transaction() as conn:
            await ledger.fence(conn, 0.0)
            await ledger.claim(conn, call, digest=call.digest, mode=Idempotency.LEDGER, token="one", seconds=0.0)
            entered.set()
            await thawed.wait()

    entered, thawed = asyncio.Event(), asyncio.Event()
    first = asyncio.ensure_future(frozen())
    await entered.wait()
    assert value(await asyncio.wait_for(workers.two.make(call, attempt=2), 10)) == {"attempt": 2}
    thawed.set()
    with pytest.raises(Exception, match=r"idle-in-transaction|connection"):
        await first
    assert await workers.one.bookings() == 1


def test_waiting_for_ones_turn_is_not_the_tools_time() -> None:
    now = [0.0]
    window = Window(ends=0.95, limit=1.0, clock=lambda: now[0])
    now[0] = 2.0
    assert not window.is_open
    assert window.renewed(given=4.0).left == pytest.approx(0.95)
    now[0] = 3.5
    assert window.renewed(given=4.0).left == pytest.approx(0.3)  # Temporal gives the attempt up at 4
    assert window.renewed(given=None).left == pytest.approx(0.95)
    now[0] = 0.5
    assert window.renewed(given=1.0) == window
