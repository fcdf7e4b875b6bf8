"""What faults make of a reply: broken texts inside a right protocol, and broken protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from activities.injection.answers import INJECTED, retry_after_header
from plangate.faultplan import FaultRule
from plangate.faults import Fault
from workers.offline_model.replies import Reply, error_body

_STATUS: dict[Fault, tuple[int, str, str | None, str]] = {
    Fault.RATE_LIMITED: (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests"),
    Fault.QUOTA_EXHAUSTED: (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota"),
    Fault.UNAUTHORIZED: (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided"),
    Fault.SERVER_ERROR: (500, "server_error", None, "The server had an error while processing your request"),
    Fault.UNAVAILABLE: (503, "server_error", None, "The engine is currently overloaded, please try again later"),
}
_DEPTH = 5000
_TEXTS = {
    Fault.EMPTY: "",
    Fault.PROSE: "Sure! First I would look the order up, and then I would see what can be done about it.",
    Fault.WRONG_SCHEMA: '{"action": "do it", "plan": {"steps": [{"name": "first", "call": "get_order"}]}}',
    Fault.NOT_FINITE: '{"action": "plan", "plan": {"goal": "", "steps": [{"id": "first", "tool": "get_order", '
    '"args": {"amount": NaN, "limit": Infinity}}]}}',
    Fault.DUPLICATE_KEYS: '{"action": "decline", "message": "no", "action": "plan", "plan": {"goal": "", "steps": []}}',
    Fault.DEEP: '{"action": "plan", "plan": ' + "[" * _DEPTH + "]" * _DEPTH + "}",
}


def error_response(rule: FaultRule) -> Response | None:
    """The HTTP error of a fault, or None when the fault is of another sort."""
    if rule.fault is Fault.NOT_JSON:
        return PlainTextResponse("<html><body><h1>Bad gateway</h1></body></html>", media_type="text/html")
    if rule.fault not in _STATUS:
        return None
    status, kind, code, message = _STATUS[rule.fault]
    headers = {"retry-after": retry_after_header(rule.retry_after)} if rule.retry_after is not None else {}
    return JSONResponse(error_body(f"{message} ({INJECTED})", kind, code), status_code=status, headers=headers)


def broken_text(rule: FaultRule, reply: Reply) -> Reply:
    """The reply with a text that the fault has spoilt; unchanged for faults that don't touch the text."""
    if rule.fault is Fault.REFUSAL:
        return replace(reply, text="I'm sorry, but I can't help with that.", refusal=True)
    text = _spoilt(rule, reply.text)
    return reply if text is None else replace(reply, text=text)


def _spoilt(rule: FaultRule, text: str) -> str | None:
    """The text that takes the right one's place, or None when the fault is of another sort."""
    if rule.fault is Fault.MALFORMED_JSON:
        return text[: max(1, len(text) // 2)]
    if rule.fault is Fault.UNKNOWN_TOOL:
        return json.dumps(_with_unknown_tool(text))
    if rule.fault is Fault.MEGABYTES:
        return _large(text, int(rule.megabytes * 1_000_000))
    return _TEXTS.get(rule.fault)


def _with_unknown_tool(text: str) -> Any:
    try:
        proposal = json.loads(text)
        proposal["plan"]["steps"][0]["tool"] = "launch_rocket"
    except (ValueError, LookupError, TypeError):
        step = {"id": "first", "title": "Launch a rocket", "tool": "launch_rocket", "args": {}}
        return {"action": "plan", "plan": {"goal": "Launch a rocket", "steps": [step]}}
    return proposal


def _large(text: str, size: int) -> str:
    """A text of that size; a JSON object stays one, with a long field more."""
    filler = "lorem ipsum " * (size // 12 + 1)
    return text[:-1] + f', "notes": "{filler[:size]}"}}' if text.startswith("{") else filler[:size]


class CutResponse(Response):
    """A response whose connection closes after half of its body, with the end never said."""

    def __init__(self, parts: Iterable[str], media_type: str) -> None:
        super().__init__(media_type=media_type)
        whole = "".join(parts).encode()
        self._half = whole[: max(1, len(whole) // 2)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half, then leave: the server closes the connection of an application that doesn't finish."""
        headers = [(b"content-type", (self.media_type or "").encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._half, "more_body": True})


class HangingResponse(Response):
    """Silence for some time, or until the client has had enough; then the connection closes without a reply."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then close the connection half-way through the header's body."""
        try:
            async with asyncio.timeout(self._seconds):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


async def streamed(events: Iterable[str]) -> AsyncIterator[str]:
    """Server-sent events, with a chance for other requests between two of them."""
    for event in events:
        yield event
        await asyncio.sleep(0)
