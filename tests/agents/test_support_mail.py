"""E-mail over real SMTP into the sink, and the read-back that tells whether it was sent."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Callable
from typing import Any

import pytest

from activities.catalogue.loading import LoadedAgent
from plangate.errors import ErrorKind, ErrorType
from plangate.tool_context import ToolContext, ToolError
from tests.agents.conftest import Companions, MakeContext

TO = "rosa.amsel@example.com"
SUBJECT = "Your refund for order 1042 – £62.00"
BODY = "Dear Rosa,\n\nwe have refunded £62.00.\n.\nThe line above is a single dot."


@pytest.fixture
def send(agent: LoadedAgent) -> Callable[..., Any]:
    async def call(context: ToolContext, to: str = TO, subject: str = SUBJECT, body: str = BODY) -> Any:
        return await asyncio.to_thread(agent.tool("send_email").function, context, to, subject, body)

    return call


@pytest.fixture
def read_back(agent: LoadedAgent) -> Callable[..., Any]:
    async def call(context: ToolContext) -> Any:
        find = agent.tool("send_email").read_back
        assert find is not None
        return await find(context, TO, SUBJECT, BODY)

    return call


async def failure(answer: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await answer
    return caught.value


async def test_an_email_arrives_and_is_found_again(
    send: Callable[..., Any],
    read_back: Callable[..., Any],
    context: MakeContext,
    companions: Companions,
) -> None:
    call = context(companions=companions)
    assert await read_back(call) is None

    sent = await send(call)

    (mail,) = companions.get("/messages", to=TO)["messages"]
    assert (mail["message_id"], mail["to"], mail["subject"]) == (sent.message_id, TO, SUBJECT)
    assert mail["message_id"].startswith(call.idempotency_key + "@")
    assert mail["text"].startswith(BODY)
    assert "Thistle & Spout" in mail["text"].removeprefix(BODY)
    assert await read_back(call) == sent
    assert await read_back(context(companions=companions, key="pg1-" + "b" * 40)) is None


async def test_the_sink_keeps_what_is_sent_twice(
    send: Callable[..., Any], context: MakeContext, companions: Companions
) -> None:
    sent = await send(context(companions=companions))
    await send(context(companions=companions))
    assert companions.get(f"/messages/{sent.message_id}")["count"] == 2
    assert companions.get(f"/messages/<{sent.message_id}>")["count"] == 2


@pytest.mark.parametrize("stranger", ["stranger@example.net", "rosa@example.com.example.net", "rosa@notexample.com"])
async def test_only_the_addresses_allowed_are_written_to(
    send: Callable[..., Any], context: MakeContext, companions: Companions, stranger: str
) -> None:
    error = await failure(send(context(companions=companions), to=stranger))
    assert error.type is ErrorType.BUSINESS
    assert companions.get("/messages")["count"] == 0


async def test_nobody_is_written_to_unless_allowed(send: Callable[..., Any]) -> None:
    call = ToolContext(idempotency_key="pg1-key", settings={"smtp": "127.0.0.1:1", "recipients": " "})
    assert (await failure(send(call))).type is ErrorType.BUSINESS


async def test_no_mail_server(send: Callable[..., Any], read_back: Callable[..., Any], context: MakeContext) -> None:
    assert (await failure(send(context()))).type.kind is ErrorKind.TRANSIENT
    assert (await failure(read_back(context()))).type.kind is ErrorKind.TRANSIENT


async def test_a_mail_server_that_says_nothing(
    agent: LoadedAgent, send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = agent.module("mail")
    assert mail is not None
    assert agent.tool("send_email").settings.timeout > mail.SMTP_SECONDS * 8
    monkeypatch.setattr(mail, "SMTP_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {"smtp": f"127.0.0.1:{silent.getsockname()[1]}", "recipients": "@example.com"}
        call = ToolContext(idempotency_key="pg1-key", settings=settings)
        assert (await failure(send(call))).type is ErrorType.TIMEOUT


async def test_a_mail_server_that_is_cut_off_may_have_taken_it(send: Callable[..., Any]) -> None:
    """`Network` would say that nothing was sent, and it would be sent again unasked."""

    async def cut_off_after_the_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := (await reader.readline()).decode().strip():
            if line == "DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                break
            writer.write(b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(cut_off_after_the_text, "127.0.0.1", 0)
    async with server:
        settings = {"smtp": f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "recipients": "@example.com"}
        call = ToolContext(idempotency_key="pg1-key", settings=settings)
        assert (await failure(send(call))).type is ErrorType.UNAVAILABLE


async def test_an_attempt_whose_time_is_over_sends_nothing(
    send: Callable[..., Any], context: MakeContext, companions: Companions
) -> None:
    late = dataclasses.replace(context(companions=companions), seconds_left=lambda: 0.0)
    assert (await failure(send(late))).type is ErrorType.TIMEOUT
    assert companions.get("/messages")["count"] == 0


@pytest.mark.parametrize("smtp", ["", "localhost", "localhost:smtp"])
async def test_not_set_up(send: Callable[..., Any], read_back: Callable[..., Any], smtp: str) -> None:
    call = ToolContext(idempotency_key="pg1-key", settings={"smtp": smtp, "recipients": "@example.com"})
    assert (await failure(send(call))).type is ErrorType.PERMANENT
    assert "mailbox_url" in (await failure(read_back(call))).message


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "no address"},
        {"to": "a@example.com, b@example.com"},
        {"to": "Rosa <rosa.amsel@example.com>"},
        {"subject": "Hello\r\nBcc: stranger@example.com"},
        {"subject": ""},
        {"body": ""},
        {"body": "x" * 5001},
    ],
)
def test_what_is_no_email(agent: LoadedAgent, wrong: dict[str, str]) -> None:
    arguments = {"to": TO, "subject": SUBJECT, "body": BODY}
    agent.tool("send_email").arguments.model_validate(arguments)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        agent.tool("send_email").arguments.model_validate(arguments | wrong)
