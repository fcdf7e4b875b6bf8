"""The mail server of the demo and the tests: takes every e-mail over SMTP, sends none on, and shows what it took.

Each message is an `.eml` file. Nothing is de-duplicated: an e-mail that was sent twice is there twice.
Imports nothing relative: it runs as a script, beside the agent.
"""

from __future__ import annotations

import os
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from activities.injection.smtp import FaultyMail

MAX_MESSAGE_BYTES = 1_000_000


class Mailbox:
    """A folder of messages, numbered in the order of their arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._last = max((int(path.name.partition("-")[0]) for path in folder.glob("*.eml")), default=0)

    def keep(self, content: bytes) -> Path:
        """Store a message; it is on the disk when this returns."""
        self._last += 1
        path = self.folder / f"{self._last:06d}-message.eml"
        draft = path.with_suffix(".part")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return path

    def messages(self, message_id: str | None = None, to: str | None = None) -> list[dict[str, Any]]:
        """The messages, the oldest first.

        Args:
            message_id: Only those with this Message-ID, with or without its angle brackets.
            to: Only those to this address.
        """
        found = [_describe(path) for path in sorted(self.folder.glob("*.eml"))]
        if message_id is not None:
            found = [message for message in found if message["message_id"] == message_id.strip("<>")]
        return found if to is None else [message for message in found if to.lower() in message["to"].lower()]


class SinkHandler:
    """What aiosmtpd calls when a message has arrived.

    Args:
        mailbox: Where it goes.
        faults: What may go wrong on purpose; nothing by default.
    """

    def __init__(self, mailbox: Mailbox, faults: FaultyMail | None = None) -> None:
        self._mailbox, self._faults = mailbox, faults

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message, with its envelope in two headers."""
        recipients = ", ".join(envelope.rcpt_tos)
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {recipients}\r\n".encode()
        content = envelope.content or b""
        content = content if isinstance(content, bytes) else content.encode()

        async def keep() -> str:
            self._mailbox.keep(head + content)
            return "250 Kept"

        if self._faults is None or server.transport is None:
            return await keep()
        return await self._faults.deliver(keep, content, {"to": recipients}, server.transport)


def smtp_session(mailbox: Mailbox, faults: FaultyMail | None = None) -> SMTP:
    """The protocol of one SMTP connection, for `loop.create_server`."""
    return SMTP(
        SinkHandler(mailbox, faults), data_size_limit=MAX_MESSAGE_BYTES, enable_SMTPUTF8=True, hostname="localhost"
    )


def mailbox_routes(mailbox: Mailbox) -> list[Route]:
    """The HTTP interface of a mailbox."""

    async def list_messages(request: Request) -> JSONResponse:
        found = mailbox.messages(to=request.query_params.get("to"))
        return JSONResponse({"count": len(found), "messages": found})

    async def get_messages(request: Request) -> JSONResponse:
        message_id = request.path_params["message_id"]
        found = mailbox.messages(message_id)
        if not found:
            said = f"no message has the Message-ID {message_id}"
            return JSONResponse({"error": {"code": "unknown_message", "message": said}}, 404)
        return JSONResponse({"message_id": message_id.strip("<>"), "count": len(found), "messages": found})

    return [
        Route("/messages", list_messages, methods=["GET"]),
        Route("/messages/{message_id}", get_messages, methods=["GET"]),
    ]


def _describe(path: Path) -> dict[str, Any]:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    return {
        "message_id": str(message["Message-ID"] or "").strip().strip("<>"),
        "from": str(message["From"] or ""),
        "to": str(message["To"] or ""),
        "subject": str(message["Subject"] or ""),
        "date": str(message["Date"] or ""),
        "text": body.get_content().replace("\r\n", "\n") if body is not None else "",
        "file": path.name,
    }
