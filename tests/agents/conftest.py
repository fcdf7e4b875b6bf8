"""What the tests of the example agent share: the agent, its shop on each database, and its companions.

- `agent`: the folder `agents/support`, loaded as the worker loads it.
- `shop`: a connection to a shop that `setup` has filled; SQLite and PostgreSQL.
- `companions`: the payment service and the mail sink, a process of their own on free ports.
- `context`: makes the `ToolContext` of a call.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.catalogue.loading import LoadedAgent, load_agent
from activities.storage.store import Store
from plangate.tool_context import ToolContext

FOLDER = Path(__file__).parents[2] / "agents" / "support"


@dataclass
class Companions:
    """The running companions, and what they say of themselves."""

    process: subprocess.Popen[str]
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return self.environment["PLANGATE_SUPPORT_PAYMENTS_URL"]

    def bearer(self) -> dict[str, str]:
        """A header that lets refunds in."""
        secret = self.environment["PLANGATE_SUPPORT_PAYMENTS_SECRET"]
        answer = httpx2.post(f"{self.url}/token", json={"client_secret": secret}, timeout=5)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def get(self, path: str, **query: str) -> Any:
        return httpx2.get(self.url + path, params=query, timeout=5).json()

    def stop(self) -> int:
        """End its input, as the process that started it does when it ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)


@contextmanager
def running_companions(data: Path, *options: str) -> Iterator[Companions]:
    command = [sys.executable, str(FOLDER / "services.py"), "--data", str(data), "--until-eof", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Companions(process, json.loads(process.stdout.readline() or "{}"))
        finally:
            process.kill()


@pytest.fixture(scope="session")
def agent() -> LoadedAgent:
    return load_agent(FOLDER)


@pytest.fixture
async def shop(agent: LoadedAgent, store: Store) -> AsyncIterator[AsyncConnection]:
    setup = agent.module("setup")
    assert setup is not None
    async with store.transaction() as connection:
        await setup.setup(connection, {})
    async with store.transaction() as connection:
        yield connection


@pytest.fixture
def companions(tmp_path: Path) -> Iterator[Companions]:
    with running_companions(tmp_path / "companions") as running:
        yield running


MakeContext = Callable[..., ToolContext]


@pytest.fixture
def context(agent: LoadedAgent) -> MakeContext:
    """A maker of contexts; without companions the agent's settings lead nowhere."""

    def make(
        database: AsyncConnection | None = None, companions: Companions | None = None, key: str = "pg1-" + "a" * 40
    ) -> ToolContext:
        nowhere = {"PLANGATE_SUPPORT_PAYMENTS_URL": "http://127.0.0.1:1", "PLANGATE_SUPPORT_SMTP": "127.0.0.1:1"}
        nowhere["PLANGATE_SUPPORT_MAILBOX_URL"] = nowhere["PLANGATE_SUPPORT_PAYMENTS_URL"]
        settings = agent.tool_settings(companions.environment if companions else nowhere)
        kept: dict[str, Any] = {}

        async def obtain(name: str) -> str:
            if companions is None:
                return "a token for nobody"
            if name not in kept:  # as a worker keeps it
                kept[name] = await agent.credentials[name].function(ToolContext(settings=settings))
            return str(kept[name].value.get_secret_value())

        return ToolContext(
            run="run-1", agent="support", idempotency_key=key, settings=settings, database=database, obtain=obtain
        )

    return make
