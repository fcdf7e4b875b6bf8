"""The fake model endpoint: a small HTTP/1.1 server in its own process, with no think time of its own.

Serves `POST …/chat/completions`, `POST …/responses` and `GET /stats` (calls answered, by kind). It is written on
asyncio's protocols rather than a framework, so that on a small machine it takes as little as possible from the
contenders; run with `python -m benchmarks.fake_model --port N [--latency-ms N]`.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks import script

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found"}
_SHAPES: dict[str, Callable[[dict[str, Any], str, Any], dict[str, Any]]] = {
    "chat/completions": script.chat_completion,
    "responses": script.response_object,
}


class Model:
    """The script behind the protocol, and the count of what was asked of it."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one request: HTTP status and JSON."""
        if method == "GET" and path == "/stats":
            return 200, dict(self.calls)
        shape = next((make for suffix, make in _SHAPES.items() if path.endswith("/" + suffix)), None)
        if method != "POST" or shape is None:
            return 404, {"error": {"message": f"no such endpoint: {method} {path}", "type": "not_found"}}
        try:
            request = json.loads(body)
            kind, content = script.decide(request, body.decode())
        except ValueError as error:
            self.calls["refused"] += 1
            return 400, {"error": {"message": str(error), "type": "invalid_request_error"}}
        self.calls[kind] += 1
        return 200, shape(request, kind, content)


class ModelProtocol(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, model: Model, latency_seconds: float) -> None:
        self._model = model
        self._latency = latency_seconds
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See base class."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes, and answer every whole request among them."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].decode("latin-1").split("\r\n")
            length = _content_length(head[1:])
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            method, path, _ = head[0].split(" ", 2)
            self._answer(method, path, body)

    def _answer(self, method: str, path: str, body: bytes) -> None:
        status, reply = self._model.handle(method, path, body)
        content = json.dumps(reply, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        if self._latency and method == "POST":
            asyncio.get_running_loop().call_later(self._latency, self._write, head.encode() + content)
        else:
            self._write(head.encode() + content)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _content_length(headers: list[str]) -> int:
    for line in headers:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


async def serve(port: int, latency_seconds: float) -> None:
    """Serve on loopback until the process is ended."""
    model = Model()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ModelProtocol(model, latency_seconds), "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="The benchmark's fake model endpoint.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.latency_ms / 1000))


if __name__ == "__main__":
    main()
