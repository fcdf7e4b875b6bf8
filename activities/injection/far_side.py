"""Faults of a service over HTTP, on its own side of the wire: an ASGI application around the service's own.

    app = FaultyService(app, injector, operation)
    app.door = Door(lambda: server.servers, connected)

The service has to be served by `WatchedConnections`, so that connections can be reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from activities.injection.answers import INJECTED, retry_after_header
from activities.injection.drift import drifted
from activities.injection.injector import Injector
from plangate.faultplan import FaultRule
from plangate.faults import Fault

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Operation = Callable[[str, str], tuple[str, str] | None]
"""Method and path of a request → dependency and call; None for what never goes wrong."""

_STATUS = {Fault.RATE_LIMITED: 429, Fault.SERVER_ERROR: 500, Fault.UNAVAILABLE: 503, Fault.EFFECT_THEN_ERROR: 500}
_AFTER = frozenset({Fault.EFFECT_THEN_ERROR, Fault.EFFECT_THEN_RESET, Fault.EFFECT_THEN_TIMEOUT})


class WatchedConnections(H11Protocol):
    """uvicorn's protocol, which remembers the connection of each client: for `uvicorn.Config(http=…)`."""

    transports: dict[Any, asyncio.BaseTransport] = {}  # noqa: RUF012 - one for the process

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self.transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has gone."""
        self.transports.pop(self.client, None)
        super().connection_lost(exc)


def reset(transport: asyncio.BaseTransport) -> None:
    """Close a connection so that the other end meets a reset, not an end."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


class Door:
    """A listening socket that can be shut for some time: then connections are refused.

    Args:
        servers: The list of asyncio servers on it, as they are now; `shut` changes the list.
        connected: Makes the protocol of a new connection.
    """

    def __init__(self, servers: Callable[[], list[Any]], connected: Callable[[], asyncio.BaseProtocol]) -> None:
        self._servers, self._connected = servers, connected
        self._opening: asyncio.Task[None] | None = None

    async def shut(self, seconds: float) -> None:
        """Refuse connections for so many seconds; returns at once."""
        if self._opening is not None and not self._opening.done():
            return
        servers = self._servers()
        addresses = [each.getsockname() for server in servers for each in server.sockets]
        for server in servers:
            server.close()
        servers.clear()
        # Bound, but not listening: nobody else gets the port, and whoever comes is refused.
        kept = [_bound(address) for address in addresses]
        self._opening = asyncio.create_task(self._open_later(kept, seconds))

    async def _open_later(self, kept: list[socket.socket], seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            for listener in kept:
                listener.setblocking(False)
                server = await asyncio.get_running_loop().create_server(self._connected, sock=listener, backlog=128)
                self._servers().append(server)
        except asyncio.CancelledError:
            for listener in kept:
                listener.close()
            raise


def _bound(address: Any) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


class FaultyService:
    """A service whose requests go wrong by the plan.

    Args:
        app: The service.
        injector: The plan in force.
        operation: Which call a request is.
        door: Its listening socket, for `dead`; set before the first request.
    """

    def __init__(self, app: App, injector: Injector, operation: Operation, door: Door | None = None) -> None:
        self._app, self._injector, self._operation = app, injector, operation
        self.door = door

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve a request."""
        meant = self._operation(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if meant is None:
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        about = {"method": scope["method"], "path": scope["path"]}
        text = body.decode("utf-8", "replace")
        rule = self._injector.pick({meant[0]}, meant[1], {"contains": text}, about=about)
        if rule is None:
            await self._app(scope, _again(body, receive), send)
        else:
            await self._go_wrong(rule, body, scope, receive, send)

    async def _go_wrong(
        self, rule: FaultRule, body: bytes, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        answer: list[Message] = []
        if rule.fault is Fault.SLOW:
            await asyncio.sleep(rule.delay)
        if rule.fault in _AFTER or rule.fault in (Fault.SLOW, Fault.DRIFT, Fault.DUPLICATE):
            answer = await self._serve(scope, body)
        if rule.fault is Fault.DUPLICATE:
            answer = await self._serve(scope, body)
        if rule.fault in _STATUS:
            await _refuse(rule, send)
            return
        match rule.fault:
            case Fault.SLOW | Fault.DUPLICATE:
                await _pass_on(answer, send)
                return
            case Fault.DRIFT:
                await _pass_on(_drifted(answer, rule), send)
                return
            case Fault.HANG | Fault.EFFECT_THEN_TIMEOUT:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rule.delay):
                        await _gone(receive)
            case Fault.DEAD:
                if self.door is not None:
                    await self.door.shut(rule.delay)
        await self._hang_up(scope, receive)

    async def _serve(self, scope: MutableMapping[str, Any], body: bytes) -> list[Message]:
        """What the service answers, kept back."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, _again(body, None), keep)
        return answer

    async def _hang_up(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        transport = WatchedConnections.transports.get(tuple(scope["client"] or ()))
        if transport is not None:
            reset(transport)
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _again(body: bytes, receive: Receive | None) -> Receive:
    """A `receive` that gives the body once more."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        if waiting:
            return waiting.pop()
        return await receive() if receive is not None else {"type": "http.disconnect"}

    return give


async def _pass_on(answer: list[Message], send: Send) -> None:
    for message in answer:
        await send(message)


async def _refuse(rule: FaultRule, send: Send) -> None:
    said = {"error": {"code": rule.fault.value, "message": f"{rule.fault.value.replace('_', ' ')} ({INJECTED})"}}
    headers = [(b"content-type", b"application/json")]
    if rule.retry_after is not None:
        headers.append((b"retry-after", retry_after_header(rule.retry_after).encode()))
    await send({"type": "http.response.start", "status": _STATUS[rule.fault], "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})


def _drifted(answer: list[Message], rule: FaultRule) -> list[Message]:
    """The same answer in another shape; an error stays as it is."""
    body = b"".join(message.get("body", b"") for message in answer)
    if answer[0]["status"] >= 400:
        return answer
    changed = json.dumps(drifted(json.loads(body), rule)).encode()
    headers = [(name, value) for name, value in answer[0]["headers"] if name.lower() != b"content-length"]
    headers.append((b"content-length", str(len(changed)).encode()))
    return [{**answer[0], "headers": headers}, {"type": "http.response.body", "body": changed}]
