"""An agent of scripted tools in every idempotency mode, and how the tests call it.

What a tool does is decided by its `how`; what it did is in `Far`, which stands for the far side.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.catalogue import Catalogue, LoadedAgent, load_agent
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.approvals import ApprovalGrant
from plangate.errors import ErrorPayload, ErrorType
from plangate.keys import approval_id
from plangate.payloads import DATA_CONVERTER
from plangate.strictjson import digest
from plangate.tasks import CallResult, ToolCall
from plangate.tool_context import ToolContext, ToolError
from plangate.toolkit import TOOL_ATTRIBUTE, Tool, tool
from tests.activities.catalogue_folders import SCOPE, make_folder
from tests.plangate.plan_makers import NOW

RULES = """\
| look | Looks | by itself |
| draft | Writes a row | by itself |
| block | Sleeps in a thread | by itself |
| pay | Pays | by itself when amount is under 25, otherwise asks first |
| book | Books | by itself |
| post | Posts | by itself |
| erase | Erases | asks first |
| banned | Is never used | never |
"""


@dataclass
class Far:
    """The far side: counts effects, and does what the tests tell it."""

    effects: list[dict[str, Any]] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    release: threading.Event = field(default_factory=threading.Event)
    read_back: Any = None
    contexts: list[ToolContext] = field(default_factory=list)

    def took(self, ctx: ToolContext, **what: Any) -> None:
        self.effects.append({"key": ctx.idempotency_key, "attempt": ctx.attempt, **what})
        self.contexts.append(ctx)

    async def behave(self, how: str) -> Any:
        """Raise, wait or return what `how` says."""
        match how:
            case "wait":
                self.entered.set()
                await self.go_on.wait()
            case "hang":
                await asyncio.sleep(60)
            case "business":
                raise ToolError("the far side said no")
            case "transient":
                raise ToolError("busy", transient=True, retry_after=7)
            case "busy":
                raise ToolError("busy", transient=True)
            case "permanent":
                raise ToolError("gone", permanent=True)
            case "bug":
                raise KeyError("secret-free bug")
            case "refused":
                raise ConnectionRefusedError("port 1")
            case "429":
                request = httpx2.Request("GET", "http://pay.example/x")
                httpx2.Response(429, headers={"Retry-After": "11"}, request=request).raise_for_status()
            case "wrong":
                return {"ok": ["not", "text"]}
            case "large":
                return {"ok": "x" * 100_000}
        return {"ok": how}


def tools_of(far: Far) -> list[Tool]:
    @tool(effect="read", summary="Look {how}", timeout=2, retry_initial=4, retry_max=8, retries=2)
    async def look(ctx: ToolContext, how: str = "fine", password: str = "") -> dict[str, str]:
        """Look."""
        far.took(ctx)
        return await far.behave(how)  # type: ignore[no-any-return]

    @tool(effect="write")
    async def draft(ctx: ToolContext, how: str = "fine") -> dict[str, str]:
        """Write a row into the project's database."""
        assert ctx.database is not None
        await ctx.database.execute(text("INSERT INTO bookings (what) VALUES ('draft')"))
        return await far.behave(how)  # type: ignore[no-any-return]

    @tool(effect="read", timeout=2)
    def block(ctx: ToolContext, how: str = "fine") -> str:
        """Work in a thread."""
        far.took(ctx, thread=threading.current_thread().name)
        if how == "hang":
            far.release.wait(20)
        return "ok"

    @tool(effect="consequential", idempotency="key", summary="Pay {amount}", retries=1)
    async def pay(ctx: ToolContext, amount: float, how: str = "fine", note: str = "none") -> dict[str, str]:
        """Pay."""
        if ctx.idempotency_key not in {each["key"] for each in far.effects}:
            far.took(ctx, amount=amount)
        return await far.behave(how)  # type: ignore[no-any-return]

    @tool(effect="consequential", idempotency="ledger", timeout=5)
    async def book(ctx: ToolContext, how: str = "fine") -> dict[str, str]:
        """Book in the project's database."""
        assert ctx.database is not None
        await ctx.database.execute(text("INSERT INTO bookings (what) VALUES ('room')"))
        return await far.behave(how)  # type: ignore[no-any-return]

    async def find_post(ctx: ToolContext, how: str) -> dict[str, str] | None:
        """Find out whether it was posted."""
        if isinstance(far.read_back, Exception):
            raise far.read_back
        return far.read_back  # type: ignore[no-any-return]

    @tool(effect="consequential", idempotency="check", read_back=find_post)
    async def post(ctx: ToolContext, how: str = "fine") -> dict[str, str]:
        """Post: sent once, read back afterwards."""
        far.took(ctx)
        return await far.behave(how)  # type: ignore[no-any-return]

    @tool(effect="consequential", idempotency="natural")
    async def erase(ctx: ToolContext, thing: str = "x") -> dict[str, str]:
        """Erase."""
        far.took(ctx)
        return {"ok": thing}

    @tool(effect="read")
    async def banned(ctx: ToolContext) -> str:
        """Never to be used."""
        far.took(ctx)
        return "no"

    found: list[Any] = [look, draft, block, pay, book, post, erase, banned]
    return [getattr(each, TOOL_ATTRIBUTE) for each in found]


def agent_of(folder: Path, far: Far, *, rules: str = RULES) -> LoadedAgent:
    """A loaded agent whose tools are those above."""
    head, _, _ = SCOPE.partition("| find_order")
    names = [line.split("|")[1].strip() for line in rules.splitlines()]
    code = "from plangate import tool\n\n"
    for name in names:
        code += f'\n@tool(effect="read")\ndef {name}(amount: float = 0) -> str:\n    """x"""\n    return ""\n\n'
    loaded = load_agent(make_folder(folder, files={"scope.md": head + rules, "tools.py": code, "shop.py": None}))
    return dataclasses.replace(loaded, tools={each.name: each for each in tools_of(far) if each.name in names})


@dataclass
class Bench:
    """Tool activities on a store, with their far side."""

    agent: LoadedAgent
    store: Store
    far: Far
    activities: ToolActivities

    def call(self, name: str, args: Mapping[str, Any] | None = None, **fields: Any) -> ToolCall:
        """The call that the workflow would make: bound arguments and their digest."""
        bound = self.agent.tools[name].arguments.model_validate(args or {}).model_dump(mode="json")
        defaults: dict[str, Any] = {
            "run": "r", "agent": "shop", "agent_version": self.agent.version, "step": "s", "call": "s", "tool": name,
            "tool_version": self.agent.tools[name].version, "key": "k", "args": bound, "digest": digest(bound),
        }  # fmt: skip
        return ToolCall(**{**defaults, **fields})

    def granted(self, call: ToolCall, /, **changes: Any) -> ToolCall:
        """The same with an approval that fits, or one that differs in something."""
        values: dict[str, Any] = {
            "approval": approval_id(call.run, call.call), "run": call.run, "call": call.call, "tool": call.tool,
            "tool_version": call.tool_version, "agent_version": self.agent.version, "digest": call.digest,
            "by": "kim", "decided_at": NOW, "expires_at": NOW,
        }  # fmt: skip
        return call.model_copy(update={"grant": ApprovalGrant(**{**values, **changes})})

    async def make(self, call: ToolCall, *, attempt: int = 1, env: ActivityEnvironment | None = None) -> CallResult:
        """One attempt."""
        env = env or ActivityEnvironment()
        limit = self.agent.tools[call.tool].settings.timeout if call.tool in self.agent.tools else 30.0
        env.info = dataclasses.replace(
            env.info,
            attempt=attempt,
            heartbeat_timeout=timedelta(seconds=30),
            start_to_close_timeout=timedelta(seconds=limit),
            started_time=datetime.now(UTC),
        )
        env.payload_converter = DATA_CONVERTER.payload_converter
        payload: Payload = DATA_CONVERTER.payload_converter.to_payload(call)
        result: CallResult = await env.run(self.activities.call_tool, [RawValue(payload)])
        return result

    async def fails(self, call: ToolCall, *, attempt: int = 1) -> tuple[ApplicationError, ErrorPayload]:
        """One attempt that fails, and the payload that says why."""
        with pytest.raises(ApplicationError) as caught:
            await self.make(call, attempt=attempt)
        payload = caught.value.details[0]
        assert isinstance(payload, ErrorPayload)
        assert caught.value.type == payload.type.value
        return caught.value, payload

    async def refused(self, call: ToolCall, type: ErrorType) -> str:
        """One attempt that fails for good."""
        error, payload = await self.fails(call)
        assert (payload.type, error.non_retryable) == (type, True)
        return payload.message

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.store.reading() as connection:
            return [tuple(row) for row in (await connection.execute(text(query))).all()]

    async def ledger(self) -> list[tuple[Any, ...]]:
        return await self.rows("SELECT key, state FROM ledger ORDER BY key")

    async def bookings(self) -> int:
        return len(await self.rows("SELECT what FROM bookings"))


async def bench_on(store: Store, folder: Path) -> Bench:
    """A bench on an open store."""
    async with store.transaction() as connection:
        await connection.execute(text("CREATE TABLE bookings (what TEXT)"))
    far = Far()
    agent = agent_of(folder, far)
    return Bench(agent, store, far, ToolActivities(Catalogue(agents={"shop": agent}), store, environ={}))
