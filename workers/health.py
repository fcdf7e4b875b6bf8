"""`GET /healthz` on loopback, for a container's health check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_ANSWER = b'{"status":"ok"}'


@asynccontextmanager
async def serve_health(port: int | None) -> AsyncIterator[None]:
    """Answer health checks while the block runs; does nothing without a port.

    An answer says that the process is alive, its event loop turns and its worker polls.
    """
    if port is None:
        yield
        return
    server = await asyncio.start_server(_answer, "127.0.0.1", port)
    async with server:
        yield


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(5):
            line = await reader.readline()
            found = line.split(b" ")[1:2] == [b"/healthz"]
            status = b"200 OK" if found else b"404 Not Found"
            body = _ANSWER if found else b"{}"
            head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            writer.write(head % (status, len(body)) + body)
            await writer.drain()
    except (TimeoutError, OSError):
        pass
    finally:
        writer.close()
