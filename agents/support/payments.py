"""Client of the payment service: its calls, and what each failure of a refund means."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NoReturn

import httpx2
from pydantic import BaseModel, SecretStr

from plangate import Credential, ErrorType, ResponseDrift, ToolContext, ToolError

from .records import CURRENCY, Currency, Order, OrderNumber, Refund, Token

TOTAL_SECONDS = 10.0
"""For the whole call; shorter than the tool's own time-out, so that the client gives up first and says why."""
TOKEN_SECONDS = 5.0
LOOK_UP_SECONDS = 2.0
"""For a look at a payment, which is worth less than a quick answer."""
MAX_RETRY_AFTER_SECONDS = 300.0


class RefundReply(BaseModel):
    """What the service answers when it has made a refund."""

    refund_id: Token
    order_id: OrderNumber
    amount: Decimal
    currency: Currency
    status: Literal["refunded"]
    refundable: Decimal


class PaymentReply(BaseModel):
    """What the service knows of an order's payment."""

    order_id: OrderNumber
    currency: Currency
    paid: Decimal
    refunded: Decimal
    refundable: Decimal


async def refund(ctx: ToolContext, order_id: str, amount: float, reason: str) -> Refund:
    """Ask the payment service for a refund, under the call's idempotency key.

    Raises:
        ToolError: A business error when the service says no, a transient one when trying again may help, else a
            permanent one.
        ResponseDrift: The service may have made the refund; its answer has another shape than it had.
    """
    url = ctx.settings.get("payments_url", "").rstrip("/")
    if not url or not ctx.idempotency_key:
        missing = "no `payments_url` is set for this agent" if not url else "the call has no idempotency key"
        raise ToolError(f"can't refund order {order_id!r}: {missing}", permanent=True)
    body = {"order_id": order_id, "amount": f"{amount:.2f}", "currency": CURRENCY, "reason": reason}
    auth = _bearer(await ctx.credential("payments"))
    headers = {"Idempotency-Key": ctx.idempotency_key}
    try:
        async with asyncio.timeout(TOTAL_SECONDS), httpx2.AsyncClient(timeout=TOTAL_SECONDS) as client:
            response = await client.post(f"{url}/refunds", json=body, headers=headers, auth=auth)
    except (TimeoutError, httpx2.TimeoutException):
        said = f"the payment service didn't answer within {TOTAL_SECONDS:g} s"
        raise ToolError(f"refund of order {order_id!r}: {said}", transient=True, type=ErrorType.TIMEOUT) from None
    except httpx2.TransportError as error:
        # Only a connection that was never made says that nothing was sent.
        unsent = isinstance(error, httpx2.ConnectError)
        verb, kind = ("can't reach", ErrorType.NETWORK) if unsent else ("lost", ErrorType.UNAVAILABLE)
        said = f"{verb} the payment service: {type(error).__name__}"
        raise ToolError(f"refund of order {order_id!r}: {said}", transient=True, type=kind) from None
    if response.status_code not in (200, 201):
        _refused(order_id, response)
    try:
        body = response.json()
    except ValueError:
        # The refund may have been made; the same key asks for the same answer again.
        said = "the payment service's answer can't be read"
        raise ToolError(f"refund of order {order_id!r}: {said}", transient=True) from None
    reply = ctx.reply(RefundReply, body)
    return Refund(
        refund_id=reply.refund_id,
        order_id=reply.order_id,
        amount=float(reply.amount),
        currency=reply.currency,
        refundable=float(reply.refundable),
    )


async def token(ctx: ToolContext) -> Credential:
    """A bearer token for the agent's client secret.

    Raises:
        ToolError: There is no secret, or the service doesn't take it.
    """
    url, secret = ctx.settings.get("payments_url", "").rstrip("/"), ctx.settings.get("payments_secret", "")
    if not secret:
        raise ToolError("no `payments_secret` is set for this agent", permanent=True, type=ErrorType.AUTHENTICATION)
    async with httpx2.AsyncClient(timeout=TOKEN_SECONDS) as client:
        response = await client.post(f"{url}/token", json={"client_secret": secret})
    response.raise_for_status()
    try:
        told = response.json()
        ends = datetime.now(UTC) + timedelta(seconds=float(told["expires_in"]))
        return Credential(value=SecretStr(told["access_token"]), expires_at=ends)
    except (ValueError, KeyError, TypeError):
        raise ToolError("the payment service's token can't be read", transient=True) from None


async def check(ctx: ToolContext) -> None:
    """Whether the service answers at all; raises what is wrong."""
    url = ctx.settings.get("payments_url", "").rstrip("/")
    if not url:
        raise ToolError("no `payments_url` is set for this agent", permanent=True)
    async with httpx2.AsyncClient(timeout=LOOK_UP_SECONDS) as client:
        response = await client.get(f"{url}/refunds", params={"order_id": "none"})
    response.raise_for_status()


async def with_refunds(ctx: ToolContext, order: Order) -> Order:
    """The order with what the payment service says was refunded; as the books have it when it can't be asked."""
    url = ctx.settings.get("payments_url", "").rstrip("/")
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS), httpx2.AsyncClient(timeout=LOOK_UP_SECONDS) as client:
            response = await client.get(f"{url}/payments/{order.order_id}")
        told = ctx.reply(PaymentReply, response.raise_for_status().json())
    except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, ResponseDrift):
        return order
    payment = order.payment.model_copy(update={"refunded": float(told.refunded), "source": "payment service"})
    return order.model_copy(update={"payment": payment, "refundable": float(told.refundable)})


def _bearer(token: str) -> Callable[[httpx2.Request], httpx2.Request]:
    """Authorises a request; unlike a plain header it comes before a user and password in the URL."""

    def authorise(request: httpx2.Request) -> httpx2.Request:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorise


def _refused(order_id: str, response: httpx2.Response) -> NoReturn:
    status, (code, message) = response.status_code, _error(response)
    text = f"refund of order {order_id!r}: the payment service says {message!r} (HTTP {status})"
    if status == 429 or status >= 500:
        kind = ErrorType.RATE_LIMITED if status == 429 else ErrorType.UNAVAILABLE
        after = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        raise ToolError(text, transient=True, retry_after=after, type=kind)
    if code == "idempotency_conflict":
        raise ToolError(text, permanent=True, type=ErrorType.IDEMPOTENCY_CONFLICT)
    if status in (404, 409):
        raise ToolError(text)
    kind = ErrorType.AUTHENTICATION if status in (401, 403) else ErrorType.PERMANENT
    raise ToolError(text, permanent=True, type=kind)


def _error(response: httpx2.Response) -> tuple[str, str]:
    try:
        error: Any = response.json()["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "", response.text[:200] or "nothing"


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds to wait, from a `Retry-After` header in seconds or as an HTTP date; None when it says nothing usable."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds()
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
