"""E-mail to customers: sent once over SMTP, and looked up in the mailbox when it isn't known whether it was."""

from __future__ import annotations

import asyncio
import smtplib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from urllib.parse import quote

import httpx2

from plangate import ErrorType, ToolContext, ToolError

from .records import SentEmail

SMTP_SECONDS = 2.0
"""For each of the eight exchanges with the mail server; together they stay under the tool's time-out."""
CHECK_SECONDS = 3.0
"""For a look whether the server is there."""
LOOK_UP_SECONDS = 5.0
SENDER = "hello@thistle-and-spout.test"
SIGNATURE = "\n\nWarm regards,\nThistle & Spout, teapots and kitchenware\n"


def message_id(ctx: ToolContext) -> str:
    """The Message-ID of this call's e-mail: the same for every attempt, without its angle brackets."""
    return f"{ctx.idempotency_key}@{_sender(ctx).partition('@')[2]}"


def send(ctx: ToolContext, to: str, subject: str, body: str) -> SentEmail:
    """Hand an e-mail to the mail server; blocks.

    Raises:
        ToolError: Transient when the server can't be reached or asks to come back, a business error when it refuses
            the recipient, permanent otherwise.
    """
    if not ctx.idempotency_key:
        raise ToolError(f"can't e-mail {to!r}: the call has no idempotency key", permanent=True)
    allowed = ctx.settings.get("recipients", "").lower().split()
    if not to.lower().endswith(tuple(allowed)):
        raise ToolError(f"{to!r} can't be written to: the desk's set-up allows {', '.join(allowed) or 'nobody'}")
    host, port = _server(ctx)
    _deliver(ctx, host, port, _message(ctx, to, subject, body))
    return SentEmail(message_id=message_id(ctx), to=to, subject=subject)


async def find(ctx: ToolContext, to: str, subject: str) -> SentEmail | None:
    """Look this call's e-mail up in the mailbox: it, or None when it was never taken.

    Raises:
        ToolError: When the mailbox can't tell.
    """
    url = ctx.settings.get("mailbox_url", "").rstrip("/")
    if not url:
        raise ToolError("no `mailbox_url` is set, so nothing can tell whether the e-mail was sent", permanent=True)
    wanted = message_id(ctx)
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS), httpx2.AsyncClient(timeout=LOOK_UP_SECONDS) as client:
            response = await client.get(f"{url}/messages/{quote(wanted, safe='@')}")
    except (TimeoutError, httpx2.HTTPError) as error:
        said = f"can't look the e-mail {wanted!r} up in the mailbox: {type(error).__name__}"
        raise ToolError(said, transient=True) from None
    if response.status_code == 404:
        return None
    if response.status_code != 200:
        said = f"the mailbox can't tell about the e-mail {wanted!r}: HTTP {response.status_code}"
        raise ToolError(said, transient=True)
    return SentEmail(message_id=wanted, to=to, subject=subject)


async def check(ctx: ToolContext) -> None:
    """Whether the mail server greets; raises what is wrong."""
    host, port = _server(ctx)

    def greet() -> None:
        with smtplib.SMTP(host, port, timeout=CHECK_SECONDS) as server:
            server.noop()

    await asyncio.to_thread(greet)


def _message(ctx: ToolContext, to: str, subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    user, _, domain = _sender(ctx).partition("@")
    message["From"] = Address("Thistle & Spout", user, domain)
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = f"<{message_id(ctx)}>"
    message.set_content(body.rstrip() + SIGNATURE)
    return message


def _deliver(ctx: ToolContext, host: str, port: int, message: EmailMessage) -> None:
    to = str(message["To"])
    try:
        server = smtplib.SMTP(host, port, timeout=SMTP_SECONDS)
    except (OSError, smtplib.SMTPException) as error:
        raise _lost(to, error, ErrorType.NETWORK) from None
    try:
        with server:
            if not ctx.still_mine():  # another attempt may be on its way
                said = f"e-mail to {to!r}: this attempt's time was over before it was sent"
                raise ToolError(said, transient=True, type=ErrorType.TIMEOUT)
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as refusal:
        code, answer = next(iter(refusal.recipients.values()))
        raise ToolError(_said(to, code, answer), transient=code < 500) from None
    except smtplib.SMTPResponseException as error:
        later = error.smtp_code < 500
        refused = _said(to, error.smtp_code, error.smtp_error)
        raise ToolError(refused, transient=later, permanent=not later) from None
    except (OSError, smtplib.SMTPException) as error:
        # It may have been taken: not `Network`, which says that nothing was sent.
        raise _lost(to, error, ErrorType.UNAVAILABLE) from None


def _lost(to: str, error: Exception, otherwise: ErrorType) -> ToolError:
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):  # smtplib wraps some of them
        said = f"e-mail to {to!r}: the mail server didn't answer within {SMTP_SECONDS:g} s"
        return ToolError(said, transient=True, type=ErrorType.TIMEOUT)
    said = f"e-mail to {to!r}: the connection to the mail server failed: {type(error).__name__}"
    return ToolError(said, transient=True, type=otherwise)


def _said(to: str, code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"e-mail to {to!r}: the mail server says {code} {text!r}"


def _sender(ctx: ToolContext) -> str:
    return ctx.settings.get("sender") or SENDER


def _server(ctx: ToolContext) -> tuple[str, int]:
    setting = ctx.settings.get("smtp", "")
    host, _, port = setting.rpartition(":")
    if not host or not port.isdigit():
        raise ToolError(f"the setting `smtp` is {setting!r}; it has to be 'HOST:PORT'", permanent=True)
    return host, int(port)
