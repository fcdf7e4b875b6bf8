"""Refunds over real HTTP: the payment service, the tool, and what each failure of it becomes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.catalogue.loading import LoadedAgent
from plangate.errors import ErrorKind, ErrorType
from plangate.tool_context import ToolContext, ToolError
from tests.agents.conftest import Companions, MakeContext

KEY = {"Idempotency-Key": "key-1"}
BODY = {"order_id": "1042", "amount": "62.00", "currency": "GBP", "reason": "arrived broken"}


def post(companions: Companions, body: Any, headers: dict[str, str] = KEY) -> httpx2.Response:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    headers = {**companions.bearer(), **headers}
    return httpx2.post(f"{companions.url}/refunds", content=content, headers=headers, timeout=5)


class TestService:
    def test_the_same_key_is_the_same_refund(self, companions: Companions) -> None:
        first, again = post(companions, BODY), post(companions, dict(reversed(BODY.items())))
        assert first.status_code == again.status_code == 201
        assert first.json() == again.json()
        assert "Idempotent-Replay" not in first.headers
        assert again.headers["Idempotent-Replay"] == "true"
        assert companions.get("/refunds", order_id="1042")["count"] == 1
        attempts = companions.get("/attempts", order_id="1042")["attempts"]
        assert [attempt["result"] for attempt in attempts] == ["refunded", "replayed"]
        payment = companions.get("/payments/1042")
        assert (payment["paid"], payment["refunded"], payment["refundable"]) == ("62.00", "62.00", "0.00")

    @pytest.mark.parametrize("token", ["", "Bearer pt_1.2.3", "Bearer pt_9999999999.0.ab.cd", "Basic x"])
    def test_no_refund_without_a_token(self, companions: Companions, token: str) -> None:
        headers = KEY | {"Authorization": token}
        answer = post(companions, BODY, headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")
        wrong = httpx2.post(f"{companions.url}/token", json={"client_secret": "another"}, timeout=5)
        assert wrong.status_code == 401
        assert companions.get("/attempts")["count"] == 0

    def test_another_body_under_a_used_key(self, companions: Companions) -> None:
        post(companions, BODY)
        conflict = post(companions, BODY | {"amount": "10.00"})
        assert (conflict.status_code, conflict.json()["error"]["code"]) == (422, "idempotency_conflict")
        assert companions.get("/refunds")["count"] == 1

    def test_no_more_than_was_paid(self, companions: Companions) -> None:
        assert post(companions, BODY | {"amount": "40.00"}).status_code == 201
        over = post(companions, BODY | {"amount": "22.01"}, {"Idempotency-Key": "key-2"})
        assert (over.status_code, over.json()["error"]["code"]) == (409, "exceeds_refundable")
        assert post(companions, BODY | {"amount": "22.00"}, {"Idempotency-Key": "key-3"}).status_code == 201
        assert (
            post(companions, BODY | {"order_id": "1033", "amount": "0.01"}, {"Idempotency-Key": "4"}).status_code == 409
        )

    @pytest.mark.parametrize(
        ("body", "headers", "status"),
        [
            (BODY, {}, 400),
            (BODY, {"Idempotency-Key": "k" * 256}, 400),
            ("{", KEY, 400),
            ("[" * 5000, KEY, 400),
            (BODY | {"amount": "-1.00"}, KEY, 400),
            (BODY | {"amount": "0.00"}, KEY, 400),
            (BODY | {"amount": "1.005"}, KEY, 400),
            (BODY | {"currency": "EUR"}, KEY, 400),
            (BODY | {"order_id": "9999"}, KEY, 404),
            (BODY | {"reason": "x" * 20_000}, KEY, 413),
        ],
    )
    def test_bad_requests(self, companions: Companions, body: Any, headers: dict[str, str], status: int) -> None:
        answer = post(companions, body, headers)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
        assert companions.get("/refunds")["count"] == 0


@pytest.fixture
def refund(agent: LoadedAgent) -> Callable[..., Any]:
    async def call(context: ToolContext, order_id: str = "1042", amount: float = 62.0) -> Any:
        return await agent.tool("refund_payment").function(context, order_id, amount, "arrived broken")

    return call


@asynccontextmanager
async def answering(status: int, body: str = "", headers: dict[str, str] | None = None) -> AsyncIterator[str]:
    """A payment service that always answers this; with status 0 it never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        if status == 0:
            await asyncio.Event().wait()
        lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def leading_to(url: str) -> ToolContext:
    async def obtain(name: str) -> str:
        return f"a token of {name}"

    return ToolContext(idempotency_key="pg1-key", settings={"payments_url": url}, obtain=obtain)


async def failure(answer: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await answer
    return caught.value


async def test_a_connection_that_breaks_may_have_brought_the_refund(refund: Callable[..., Any]) -> None:
    """`Network` would say that nothing was sent."""

    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(cut_off, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert (await failure(refund(leading_to(url)))).type is ErrorType.UNAVAILABLE


async def test_a_refund_twice_with_one_key_is_one_refund(
    refund: Callable[..., Any], context: MakeContext, companions: Companions
) -> None:
    first = await refund(context(companions=companions))
    again = await refund(context(companions=companions))
    assert first == again
    assert (first.amount, first.currency, first.refundable) == (62.0, "GBP", 0.0)
    made = companions.get("/refunds", order_id="1042")["refunds"]
    assert [(one["refund_id"], one["amount"]) for one in made] == [(first.refund_id, "62.00")]
    assert companions.get("/attempts")["count"] == 2


async def test_the_order_shows_what_was_refunded(
    agent: LoadedAgent, shop: AsyncConnection, refund: Callable[..., Any], context: MakeContext, companions: Companions
) -> None:
    await refund(context(companions=companions), amount=22.5)
    order = await agent.tool("get_order").function(context(shop, companions), "1042")
    assert (order.payment.refunded, order.refundable, order.payment.source) == (22.5, 39.5, "payment service")


async def test_what_the_service_refuses(
    refund: Callable[..., Any], context: MakeContext, companions: Companions
) -> None:
    over = await failure(refund(context(companions=companions), amount=62.01))
    assert over.type is ErrorType.BUSINESS
    assert "62.00" in over.message
    assert (await failure(refund(context(companions=companions), order_id="9999"))).type is ErrorType.BUSINESS
    await refund(context(companions=companions))
    conflict = await failure(refund(context(companions=companions), amount=10.0))
    assert conflict.type is ErrorType.IDEMPOTENCY_CONFLICT


@pytest.mark.parametrize(
    ("status", "type", "kind"),
    [
        (500, ErrorType.UNAVAILABLE, ErrorKind.TRANSIENT),
        (503, ErrorType.UNAVAILABLE, ErrorKind.TRANSIENT),
        (429, ErrorType.RATE_LIMITED, ErrorKind.TRANSIENT),
        (401, ErrorType.AUTHENTICATION, ErrorKind.PERMANENT),
        (400, ErrorType.PERMANENT, ErrorKind.PERMANENT),
        (302, ErrorType.PERMANENT, ErrorKind.PERMANENT),
    ],
)
async def test_failures_by_status(refund: Callable[..., Any], status: int, type: ErrorType, kind: ErrorKind) -> None:
    async with answering(status, "no JSON here", {"Retry-After": "7"}) as url:
        error = await failure(refund(leading_to(url)))
    assert (error.type, error.type.kind) == (type, kind)
    assert error.retry_after == (7.0 if kind is ErrorKind.TRANSIENT else None)


async def test_an_answer_that_cant_be_read_is_asked_for_again(refund: Callable[..., Any]) -> None:
    async with answering(201, '{"refund_id": ') as url:
        assert (await failure(refund(leading_to(url)))).type.kind is ErrorKind.TRANSIENT


async def test_no_answer_in_time(
    agent: LoadedAgent, refund: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = agent.module("payments")
    assert payments is not None
    assert agent.tool("refund_payment").settings.timeout > payments.TOTAL_SECONDS
    monkeypatch.setattr(payments, "TOTAL_SECONDS", 0.05)
    async with answering(0) as url:
        assert (await failure(refund(leading_to(url)))).type is ErrorType.TIMEOUT


async def test_nobody_there(refund: Callable[..., Any], context: MakeContext) -> None:
    assert (await failure(refund(context()))).type is ErrorType.NETWORK


@pytest.mark.parametrize("settings", [{}, {"payments_url": ""}])
async def test_not_set_up(refund: Callable[..., Any], settings: dict[str, str]) -> None:
    error = await failure(refund(ToolContext(idempotency_key="pg1-key", settings=settings)))
    assert error.type is ErrorType.PERMANENT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("-5", 0), ("1e9", 300), ("nan", None), ("soon", None), ("", None), (None, None)],
)
def test_retry_after(agent: LoadedAgent, header: str | None, seconds: float | None) -> None:
    assert agent.module("payments").retry_after(header, datetime.now(UTC)) == seconds  # type: ignore[union-attr]


def test_retry_after_as_a_date(agent: LoadedAgent) -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    retry_after = agent.module("payments").retry_after  # type: ignore[union-attr]
    assert retry_after(format_datetime(now + timedelta(seconds=30), usegmt=True), now) == 30
    assert retry_after(format_datetime(now - timedelta(days=1), usegmt=True), now) == 0


@pytest.mark.parametrize("amount", [0, -1, 0.001, 62.005, 10_000.01, float("nan"), float("inf"), "lots"])
def test_amounts_that_are_none(agent: LoadedAgent, amount: Any) -> None:
    with pytest.raises(ValueError, match="amount"):
        agent.tool("refund_payment").arguments.model_validate(
            {"order_id": "1042", "amount": amount, "reason": "arrived broken"}
        )


@pytest.mark.parametrize(("amount", "action"), [(4.5, "allow"), (24.99, "allow"), (25, "ask"), (62.0, "ask")])
def test_small_refunds_need_no_gate(agent: LoadedAgent, amount: float, action: str) -> None:
    assert agent.verdict("refund_payment", {"order_id": "1042", "amount": amount, "reason": "late"}).action == action
