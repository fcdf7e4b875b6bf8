"""Answers of model endpoints, no larger than they may be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

from activities.models.errors import ModelFailure
from plangate.errors import ErrorType

MAX_REPLY_BYTES = 16 * 1024 * 1024
"""Bytes of one HTTP reply at most, of a stream with all its events too; the rest is never read."""


def json_of(response: httpx2.Response) -> dict[str, Any]:
    """The body of a reply.

    Raises:
        ModelFailure: It is no JSON object.
    """
    body: Any
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        kind = response.headers.get("content-type", "no content type")
        raise ModelFailure(ErrorType.UNAVAILABLE, f"the reply is no JSON object ({kind}); check OPENAI_BASE_URL")
    return body


async def bound_reply(response: httpx2.Response) -> None:
    """Hook of the HTTP client: stop reading a reply that is too large."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_REPLY_BYTES:
                raise ModelFailure(ErrorType.MODEL_MALFORMED, f"the reply is larger than {MAX_REPLY_BYTES:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
