"""The example's tokens against its real payment service over HTTP, both on clocks of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from activities.catalogue.loading import LoadedAgent
from activities.credentials.keeper import Credentials
from activities.credentials.lending import Lent
from activities.storage.credentials import CredentialTable
from activities.storage.store import Store
from plangate.tool_context import ToolContext, ToolError

SECRET = "cs_of-the-tests"


class Service:
    """The payment service, whose tokens live for 20 seconds."""

    def __init__(self, agent: LoadedAgent, folder: Path) -> None:
        module = agent.module("payment_service")
        assert module is not None
        self.now = datetime.now(UTC)
        self.book = module.PaymentBook(folder / "payments.sqlite", [("1042", 6200, 0)])
        tokens = module.Tokens(SECRET, seconds=20.0, now=self._seconds)
        app = Starlette(routes=module.payment_routes(self.book, tokens))
        config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
        self.server = uvicorn.Server(config)
        self.url = ""

    def _seconds(self) -> float:
        return self.now.timestamp()


@pytest.fixture
async def service(agent: LoadedAgent, tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(agent, tmp_path)
    serving = asyncio.create_task(made.server.serve())
    async with asyncio.timeout(10):
        while not made.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
    made.url = f"http://127.0.0.1:{made.server.servers[0].sockets[0].getsockname()[1]}"
    yield made
    made.server.should_exit = True
    await serving
    made.book.close()


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Path) -> str:
    """One database is enough here: what the store does is tested elsewhere."""
    return f"sqlite:///{tmp_path}/plangate.db"


async def refund(agent: LoadedAgent, credentials: Credentials, service: Service, key: str, secret: str = SECRET) -> Any:
    settings = {"payments_url": service.url, "payments_secret": secret}
    tool = agent.tool("refund_payment")
    lent = Lent(credentials, agent, tool, settings, sqlite=True)
    context = ToolContext(idempotency_key=key, settings=settings, obtain=lent.get)
    return await lent.through(lambda: tool.function(context, "1042", 1.0, "arrived broken"))


async def test_refreshed_before_use_and_on_a_401(agent: LoadedAgent, store: Store, service: Service) -> None:
    clock = [datetime.now(UTC)]
    credentials = Credentials(store, now=lambda: clock[0])

    async def refreshes() -> int:
        return (await CredentialTable(store).get("support", "payments")).refreshes

    await refund(agent, credentials, service, "one")
    await refund(agent, credentials, service, "two")
    assert await refreshes() == 1
    clock[0] += timedelta(seconds=19)
    await refund(agent, credentials, service, "three")
    assert await refreshes() == 2
    service.now += timedelta(seconds=60)  # the worker's clock says that the token still holds
    await refund(agent, credentials, service, "four")
    assert await refreshes() == 3
    assert [attempt["result"] for attempt in service.book.attempts()] == ["refunded"] * 4


async def test_a_wrong_secret_is_said_and_not_shown(agent: LoadedAgent, store: Store, service: Service) -> None:
    with pytest.raises(ToolError, match=r"'payments' can't be refreshed: .*HTTP 401") as caught:
        await refund(agent, Credentials(store), service, "one", "cs_wrong-secret")
    assert "cs_wrong" not in caught.value.message
