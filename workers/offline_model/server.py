"""The HTTP side: routes, faults, usage; and the process that serves them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from activities.injection.injector import Injector
from plangate.errors import InvalidInput
from plangate.faultplan import FaultPlan, FaultRule
from plangate.faultplan_file import parse_fault_plan
from plangate.faults import Fault
from workers.offline_model import chat_api, faults, responses_api, tokens
from workers.offline_model.broken_replies import CutResponse, HangingResponse, broken_text, error_response, streamed
from workers.offline_model.engine import OfflineModel
from workers.offline_model.prompts import Api, BadRequest, read_prompt
from workers.offline_model.proposing import BrokenTemplate
from workers.offline_model.replies import MODEL, Reply, error_body, model_list

_SHAPES: dict[Api, Any] = {"responses": responses_api, "chat": chat_api}


@dataclass(frozen=True)
class ServerSettings:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    agents: tuple[Path, ...] = ()
    faults: Injector = field(default_factory=lambda: Injector(FaultPlan()))
    allow_fault_requests: bool = False
    """Whether `POST /faults` may change the fault plan: for tests only."""
    latency_seconds: float = 0.0


class Endpoints:
    """The handlers, with what they share."""

    def __init__(self, settings: ServerSettings) -> None:
        self.model = OfflineModel(settings.agents)
        self.injector = settings.faults
        self.calls: Counter[str] = Counter()
        self._latency = settings.latency_seconds

    async def responses(self, request: Request) -> Response:
        """`POST /v1/responses`."""
        return await self._serve("responses", request)

    async def chat(self, request: Request) -> Response:
        """`POST /v1/chat/completions`."""
        return await self._serve("chat", request)

    async def models(self, request: Request) -> Response:
        """`GET /v1/models` and `GET /v1/models/NAME`, which knows any name."""
        name = request.path_params.get("name")
        listed = model_list()
        return JSONResponse({**listed["data"][0], "id": name} if name else listed)

    async def health(self, request: Request) -> Response:
        """`GET /health`: what it is and which agents it has rules for."""
        return JSONResponse({"status": "ok", "model": MODEL, "agents": self.model.agents(), "calls": dict(self.calls)})

    async def faults(self, request: Request) -> Response:
        """`GET /faults` shows the fault plan and its counts, `POST` replaces it, `DELETE` empties it."""
        if request.method == "POST":
            try:
                text = (await request.body()).decode("utf-8", "replace")
                self.injector = Injector(parse_fault_plan(text, source="the body"))
            except InvalidInput as error:
                said = "; ".join([error.message, *error.details])
                return JSONResponse(error_body(said, "invalid_request_error"), status_code=400)
        elif request.method == "DELETE":
            self.injector = Injector(FaultPlan())
        plan = self.injector.plan.model_dump(mode="json", exclude_defaults=True)
        return JSONResponse({"plan": plan, "injected": self.injector.injected, "calls": dict(self.calls)})

    async def _serve(self, api: Api, request: Request) -> Response:
        try:
            prompt = read_prompt(api, json.loads(await request.body()))
        except (ValueError, RecursionError, BadRequest) as error:
            message = str(error) if isinstance(error, BadRequest) else "the body is not JSON"
            return JSONResponse(error_body(message, "invalid_request_error"), status_code=400)
        self.calls[prompt.task or "other"] += 1
        fault = faults.pick(self.injector, prompt)
        if fault is not None and (broken := self._without_model(fault)) is not None:
            return broken
        if wait := self._latency + (fault.delay if fault and fault.fault is Fault.SLOW else 0.0):
            await asyncio.sleep(wait)
        try:
            reply = Reply(prompt, self.model.reply(prompt))
        except BrokenTemplate as error:
            return JSONResponse(error_body(str(error), "server_error"), status_code=500)
        return _in_shape(api, (broken_text(fault, reply) if fault else reply).counted(), fault)

    def _without_model(self, fault: FaultRule) -> Response | None:
        if fault.fault is Fault.HANG:
            return HangingResponse(fault.delay)
        return error_response(fault)


def _in_shape(api: Api, reply: Reply, fault: FaultRule | None) -> Response:
    shape = _SHAPES[api]
    cut = fault is not None and fault.fault is Fault.CUT
    if reply.prompt.stream:
        if cut:
            return CutResponse(shape.events(reply), "text/event-stream")
        return StreamingResponse(streamed(shape.events(reply)), media_type="text/event-stream")
    whole = json.dumps(shape.body(reply), ensure_ascii=False)
    if cut:
        return CutResponse([whole], "application/json")
    return Response(whole, media_type="application/json", headers={"x-request-id": f"req_{reply.id}"})


def build_app(settings: ServerSettings) -> Starlette:
    """The ASGI application."""
    endpoints = Endpoints(settings)
    routes = [
        Route("/v1/responses", endpoints.responses, methods=["POST"]),
        Route("/v1/chat/completions", endpoints.chat, methods=["POST"]),
        Route("/v1/models", endpoints.models),
        Route("/v1/models/{name:path}", endpoints.models),
        Route("/health", endpoints.health),
    ]
    if settings.allow_fault_requests:
        routes.append(Route("/faults", endpoints.faults, methods=["GET", "POST", "DELETE"]))
    return Starlette(routes=routes)


class Server(uvicorn.Server):
    """Uvicorn that says when it listens, and where."""

    grace_seconds: ClassVar[int] = 1

    def __init__(self, settings: ServerSettings, on_ready: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                build_app(settings),
                host=settings.host,
                port=settings.port,
                log_level="critical",
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=self.grace_seconds,
            )
        )
        self._settings = settings
        self._on_ready = on_ready

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then say so."""
        try:
            await super().startup(sockets=sockets)
        except SystemExit:
            raise OSError(f"can't listen on {self._settings.host}:{self._settings.port}") from None
        if self.started and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1")
            asyncio.get_running_loop().call_soon(tokens.warm_up)


def serve(settings: ServerSettings) -> int:
    """Serve until SIGINT or SIGTERM; print one line of JSON when listening.

    Returns:
        The process's exit code.
    """

    def ready(base_url: str) -> None:
        print(json.dumps({"ready": True, "base_url": base_url, "model": MODEL}), flush=True)

    try:
        Server(settings, ready).run()
    except OSError as error:
        print(f"offline model: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0
