"""A scripted, OpenAI-compatible model endpoint for tests: real HTTP, in a thread of its own, on a free port.

    async with FakeModel() as model:                       # or: with FakeModel() as model
        model.script({"goal": "…", "steps": [...]}, "Your order is on its way.")
        settings = ModelSettings(api_key=SecretStr("test"), base_url=model.base_url)
        ...
        assert model.requests[0].task == "plan"

It speaks the Responses API and Chat Completions, streamed or not. A reply is

    a dict        a plan proposal, or just a plan (`{"goal", "steps"}`), answered as JSON text
    a str         text
    a Reply       everything else: see `rate_limited`, `server_error`, `hang`, `cut`, `refusal`, …
    a callable    called with the request's JSON for every request (alone, not in a list); see `by_task`

A request that the script has no reply for gets a 400, which is permanent: the test fails at once and says why.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One reply. Without a status it is a model's answer."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    """Body of an error: `{"message", "type", "code"}`."""
    raw: bytes | None = None
    """The body, as it is, instead of a model's answer."""
    refusal: str | None = None
    incomplete: bool = False
    """Cut off by the maximum of output tokens."""
    hang: bool = False
    """Take the request and answer nothing until the fake model is closed or `release`d."""
    cut: str | None = None
    """Break off half-way: `socket` (the connection closes) or `clean` (a proper end, but the last event is missing)."""
    pause_after: int | None = None
    """When streaming: wait for `release` after so many pieces."""
    usage: tuple[int, int, int] | None = None
    """Input, cached and output tokens; a guess from the lengths when not given. See `no_usage`."""
    no_usage: bool = False
    pieces: int = 4
    """Number of pieces of a streamed text."""


Script = Reply | dict[str, Any] | str | Callable[[dict[str, Any]], Any]


def rate_limited(headers: dict[str, str] | None = None) -> Reply:
    """429, worth another try; give `{"retry-after": "2"}` and the like as headers."""
    error = {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
    return Reply(status=429, headers=headers or {}, error=error)


def quota_exhausted() -> Reply:
    """429 that no waiting helps against."""
    error = {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}
    return Reply(status=429, error=error)


def failure(status: int, message: str = "scripted failure", *, code: str = "", **headers: str) -> Reply:
    """Any HTTP status; headers as keywords with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, error={"message": message, "type": "scripted", "code": code or None})


def server_error() -> Reply:
    """500."""
    return failure(500)


def hang() -> Reply:
    """No answer until `FakeModel.release` or its end."""
    return Reply(hang=True)


def cut(text: str = "Half of this text never comes.", *, clean: bool = False) -> Reply:
    """An answer that breaks off: the connection closes, or (`clean`) only the last event is missing."""
    return Reply(text=text, cut="clean" if clean else "socket")


def broken_json() -> Reply:
    """A model's text that should be JSON and isn't."""
    return Reply(text='{"action": "plan", "plan": {"goal": "x", "steps": [')


def broken_body() -> Reply:
    """200 with a body that isn't JSON, like a proxy's error page."""
    return Reply(raw=b"<html>gateway</html>", headers={"content-type": "text/html"})


def empty() -> Reply:
    """An answer without text."""
    return Reply(text="")


def refusal(text: str = "I can't help with that.") -> Reply:
    """A refusal."""
    return Reply(refusal=text)


def cut_by_max_tokens(text: str = '{"action": "plan", "plan": {') -> Reply:
    """A text that ends where the maximum of output tokens was reached."""
    return Reply(text=text, incomplete=True)


def megabytes(count: int = 5) -> Reply:
    """A text of so many megabytes."""
    return Reply(text="x" * (count * 1024 * 1024))


def by_task(**replies: Any) -> Callable[[dict[str, Any]], Any]:
    """A script by the prompt's task, for many runs at once: `by_task(plan={…}, revise={…}, answer="…")`."""

    def choose(request: dict[str, Any]) -> Any:
        task = Request(path="", headers={}, json=request).task
        reply = replies.get(task, failure(400, f"the script has no reply for the task {task!r}"))
        return reply(request) if callable(reply) else reply

    return choose


@dataclass(frozen=True)
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    json: dict[str, Any]

    @property
    def instructions(self) -> str:
        """The system prompt."""
        if "messages" in self.json:
            return "\n".join(m["content"] for m in self.json["messages"] if m["role"] in ("system", "developer"))
        return str(self.json.get("instructions") or "")

    @property
    def inputs(self) -> list[str]:
        """The texts of the messages after the system prompt, in order."""
        messages = self.json.get("messages", self.json.get("input", []))
        if isinstance(messages, str):
            return [messages]
        return [_text(m["content"]) for m in messages if m.get("role") not in ("system", "developer")]

    @property
    def input(self) -> str:
        """The user's message."""
        return self.inputs[0] if self.inputs else ""

    @property
    def task(self) -> str:
        """`plan`, `revise` or `answer`, from the prompt's second line."""
        lines = self.instructions.splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("Task:")), "")

    def section(self, name: str) -> str:
        """The text of `<name>` in the user's message."""
        return self.input.partition(f"<{name}>\n")[2].partition(f"\n</{name}>")[0]

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.json.get("stream"))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class FakeModel:
    """The endpoint. `base_url` is what `OPENAI_BASE_URL` takes; `requests` is what came in so far."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._script: list[Any] | Callable[[dict[str, Any]], Any] = []
        self._arrived = threading.Condition()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.model = self
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def script(self, *replies: Script) -> None:
        """What to answer from now on: replies in order, or one callable for all requests."""
        self._script = replies[0] if len(replies) == 1 and callable(replies[0]) else list(replies)

    def release(self) -> None:
        """Let everything that hangs or pauses go on."""
        self._released.set()

    def wait_for_requests(self, count: int, *, timeout_seconds: float = 20.0) -> None:
        """Block until so many requests came in; in async tests: `await asyncio.to_thread(…)`."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self.requests)} of {count} requests came in within {timeout_seconds:g} s")

    def __enter__(self) -> FakeModel:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    async def __aenter__(self) -> FakeModel:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def answer(self, request: Request) -> Reply:
        """Take a request and choose its reply."""
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
            chosen: Any
            if callable(self._script):
                chosen = self._script
            elif self._script:
                chosen = self._script.pop(0)
            else:
                chosen = failure(400, f"the script has no reply left for request {len(self.requests)}")
        return _reply(chosen(request.json) if callable(chosen) else chosen)

    def wait_for_release(self) -> None:
        """Block until `release` or the end."""
        self._released.wait(120)


def _reply(chosen: Any) -> Reply:
    if isinstance(chosen, Reply):
        return chosen
    if isinstance(chosen, dict):
        proposal = chosen if "action" in chosen else {"action": "plan", "plan": chosen}
        return Reply(text=json.dumps(proposal, ensure_ascii=False))
    return Reply(text=str(chosen))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    model: FakeModel

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body))
        if not self.path.endswith(("/responses", "/chat/completions")):
            self._send(404, json.dumps({"error": {"message": f"no such endpoint: {self.path}"}}).encode())
            return
        reply = self.server.model.answer(request)
        if reply.hang:
            self.server.model.wait_for_release()
        if reply.error is not None:
            self._send(reply.status, json.dumps({"error": reply.error}).encode(), reply.headers)
        elif reply.raw is not None:
            self._send(reply.status, reply.raw, reply.headers)
        elif request.streamed:
            self._stream(request, reply)
        else:
            shape = _response if self.path.endswith("/responses") else _completion
            self._send(200, json.dumps(shape(request, reply)).encode(), reply.headers, cut=reply.cut is not None)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def _stream(self, request: Request, reply: Reply) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        events = list((_response_events if self.path.endswith("/responses") else _completion_events)(request, reply))
        kept = events[: max(1, len(events) // 2)] if reply.cut else events
        for index, event in enumerate(kept):
            if reply.pause_after is not None and index == reply.pause_after:
                self.server.model.wait_for_release()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        if reply.cut == "socket":
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


def _tokens(request: Request, reply: Reply) -> tuple[int, int, int]:
    if reply.usage:
        return reply.usage
    return max(1, len(json.dumps(request.json)) // 4), 0, len(reply.refusal or reply.text) // 4


def _response(request: Request, reply: Reply, *, status: str = "") -> dict[str, Any]:
    given, cached, made = _tokens(request, reply)
    content: dict[str, Any] = {"type": "output_text", "text": reply.text, "annotations": []}
    if reply.refusal is not None:
        content = {"type": "refusal", "refusal": reply.refusal}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [content]}
    usage = {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + made,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": request.json.get("model", "fake"),
        "status": status or ("incomplete" if reply.incomplete else "completed"),
        "incomplete_details": {"reason": "max_output_tokens"} if reply.incomplete else None,
        "error": None,
        "output": [message] if reply.text or reply.refusal is not None else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if reply.no_usage or status else usage,
    }


def _completion(request: Request, reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": None if reply.refusal is not None else reply.text}
    message["refusal"] = reply.refusal
    choice = {"index": 0, "message": message, "finish_reason": "length" if reply.incomplete else "stop"}
    return {
        "id": "chatcmpl_1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request.json.get("model", "fake"),
        "choices": [choice],
        "usage": None if reply.no_usage else _completion_usage(request, reply),
    }


def _completion_usage(request: Request, reply: Reply) -> dict[str, Any]:
    given, cached, made = _tokens(request, reply)
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _pieces(text: str, count: int) -> list[str]:
    size = max(1, -(-len(text) // count))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _response_events(request: Request, reply: Reply) -> Iterator[bytes]:
    made: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response(request, replace(reply, text=""), status="in_progress")}
    ]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    kind = "output_text" if reply.refusal is None else "refusal"
    for piece in _pieces(reply.text if reply.refusal is None else reply.refusal, reply.pieces):
        made.append({"type": f"response.{kind}.delta", **place, "delta": piece, "logprobs": []})
    last = "incomplete" if reply.incomplete else "completed"
    made.append({"type": f"response.{last}", "response": _response(request, reply)})
    for number, event in enumerate(made):
        data = json.dumps({**event, "sequence_number": number})
        yield f"event: {event['type']}\ndata: {data}\n\n".encode()


def _completion_events(request: Request, reply: Reply) -> Iterator[bytes]:
    head = {"id": "chatcmpl_1", "object": "chat.completion.chunk", "created": 1_700_000_000}
    head["model"] = request.json.get("model", "fake")
    key = "content" if reply.refusal is None else "refusal"
    deltas = [{key: piece} for piece in _pieces(reply.text if reply.refusal is None else reply.refusal, reply.pieces)]
    chunks: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks.append({"index": 0, "delta": {}, "finish_reason": "length" if reply.incomplete else "stop"})
    for choice in chunks:
        yield b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"
    if (request.json.get("stream_options") or {}).get("include_usage") and not reply.no_usage:
        last = {**head, "choices": [], "usage": _completion_usage(request, reply)}
        yield b"data: " + json.dumps(last).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"
