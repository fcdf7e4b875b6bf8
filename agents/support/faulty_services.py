"""The companions with faults on purpose: used only when a fault plan is in force (docs/fault-injection.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn

from activities.injection.far_side import App, Door, FaultyService, WatchedConnections
from activities.injection.injector import Injector
from activities.injection.smtp import FaultyMail


class FaultyServices:
    """What goes between the companions and those who call them.

    Args:
        app: Payment service and mailbox.
        injector: The plan in force.
    """

    settings: dict[str, Any] = {"http": WatchedConnections}  # noqa: RUF012
    """Of uvicorn."""

    def __init__(self, app: App, injector: Injector) -> None:
        self.mail = FaultyMail(injector)
        self.app = FaultyService(app, injector, operation)

    def own(
        self, sinks: list[asyncio.Server], session: Callable[[], asyncio.BaseProtocol], server: uvicorn.Server
    ) -> None:
        """Take the listening sockets, to be able to shut them."""

        def connected() -> asyncio.BaseProtocol:
            return WatchedConnections(server.config, server.server_state, server.lifespan.state)

        self.mail.door = Door(lambda: sinks, session)
        self.app.door = Door(lambda: server.servers, connected)


def operation(method: str, path: str) -> tuple[str, str] | None:
    """Which call a request is. The lists of refunds, attempts and messages are for those who count: they never fail."""
    if (method, path) == ("POST", "/refunds"):
        return "payments", "refund"
    if path.startswith("/payments/"):
        return "payments", "payment"
    return ("mail", "lookup") if path.startswith("/messages/") else None
