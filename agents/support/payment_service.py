"""The payment service of the demo and the tests: a ledger of refunds behind a small HTTP interface.

It honours `Idempotency-Key`: the same key with the same body gets the same answer and no second refund; with another
body it gets 422. A refund takes a bearer token that lives for some minutes; `POST /token` gives one for the client
secret. Looking needs none. What it did and what it was asked are both kept, so that a test can count effects and
attempts.
Imports nothing relative: it runs as a script, beside the agent.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MAX_BODY_BYTES = 16_384
_TABLES = """
CREATE TABLE IF NOT EXISTS payments (
    order_id TEXT PRIMARY KEY, paid_pence INTEGER NOT NULL, opening_refunds_pence INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS refunds (
    refund_id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES payments, amount_pence INTEGER NOT NULL,
    reason TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE, body_digest TEXT NOT NULL, answer TEXT NOT NULL,
    made_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS attempts (
    attempt INTEGER PRIMARY KEY, at TEXT NOT NULL, idempotency_key TEXT, order_id TEXT, amount TEXT,
    status INTEGER NOT NULL, result TEXT NOT NULL
);
"""


class RefundRequest(BaseModel):
    """Body of `POST /refunds`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_id: str = Field(min_length=1, max_length=20)
    amount: Annotated[str, Field(pattern=r"^\d{1,7}\.\d{2}$")]
    currency: Literal["GBP"] = "GBP"
    reason: str = Field(default="", max_length=500)

    @property
    def pence(self) -> int:
        """The amount in pence."""
        return int(Decimal(self.amount) * 100)

    @property
    def digest(self) -> str:
        """The same for bodies that mean the same."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


class TokenRequest(BaseModel):
    """Body of `POST /token`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_secret: str = Field(min_length=1, max_length=200)


class Answer(BaseModel):
    """What the service answers, and in a word what it did."""

    status: int
    body: dict[str, Any]
    result: Literal["refunded", "replayed", "refused"] = "refused"


def refusal(status: int, code: str, message: str) -> Answer:
    """An answer that says no."""
    return Answer(status=status, body={"error": {"code": code, "message": message}})


class PaymentBook:
    """Payments and refunds in a SQLite file of the service's own.

    Args:
        path: The file; made when missing.
        payments: `(order_id, paid_pence, refunded_pence)` of each order, added when not there yet; what was refunded
            before the service was started first is its opening balance.
    """

    def __init__(
        self,
        path: Path,
        payments: Sequence[tuple[str, int, int]] = (),
    ) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, timeout=10)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = wal")
        self._database.executescript(_TABLES)
        with self._transaction() as database:
            database.executemany("INSERT OR IGNORE INTO payments VALUES (?, ?, ?)", payments)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def refund(self, key: str, request: RefundRequest) -> Answer:
        """Make a refund, once for each key; the attempt is written down in the same transaction."""
        with self._transaction() as database:
            answer = self._known(database, key, request) or self._make(database, key, request)
            row = (_now(), key, request.order_id, request.amount, answer.status, answer.result)
            database.execute("INSERT INTO attempts VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
        return answer

    def payment(self, order_id: str) -> dict[str, Any] | None:
        """What was paid for an order and what of it has been refunded; None for an unknown order."""
        query = (
            "SELECT paid_pence, opening_refunds_pence"
            " + (SELECT coalesce(sum(amount_pence), 0) FROM refunds WHERE refunds.order_id = payments.order_id)"
            " FROM payments WHERE order_id = ?"
        )
        row = self._database.execute(query, (order_id,)).fetchone()
        if row is None:
            return None
        paid, refunded = row
        amounts = {"paid": paid, "refunded": refunded, "refundable": paid - refunded}
        return {"order_id": order_id, "currency": "GBP"} | {name: _pounds(pence) for name, pence in amounts.items()}

    def refunds(self, order_id: str | None = None) -> list[dict[str, Any]]:
        """The refunds that were made: the effects."""
        rows = self._database.execute(
            "SELECT refund_id, order_id, amount_pence, reason, idempotency_key, made_at FROM refunds"
            " WHERE ?1 IS NULL OR order_id = ?1 ORDER BY rowid",
            (order_id,),
        )
        return [{**row, "amount": _pounds(row.pop("amount_pence"))} for row in map(dict, rows)]

    def attempts(self, order_id: str | None = None) -> list[dict[str, Any]]:
        """What the service was asked, whether anything came of it or not."""
        rows = self._database.execute(
            "SELECT * FROM attempts WHERE ?1 IS NULL OR order_id = ?1 ORDER BY attempt", (order_id,)
        )
        return [dict(row) for row in rows]

    def _known(self, database: sqlite3.Connection, key: str, request: RefundRequest) -> Answer | None:
        query = "SELECT body_digest, answer FROM refunds WHERE idempotency_key = ?"
        row = database.execute(query, (key,)).fetchone()
        if row is None:
            return None
        if row["body_digest"] != request.digest:
            return refusal(422, "idempotency_conflict", "this Idempotency-Key was used for another refund")
        return Answer(status=201, body=json.loads(row["answer"]), result="replayed")

    def _make(self, database: sqlite3.Connection, key: str, request: RefundRequest) -> Answer:
        payment = self.payment(request.order_id)
        if payment is None:
            return refusal(404, "unknown_order", f"there is no payment for order {request.order_id}")
        left = int(Decimal(payment["refundable"]) * 100) - request.pence
        if left < 0:
            said = f"only {payment['refundable']} GBP of order {request.order_id} can be refunded"
            return refusal(409, "exceeds_refundable", said)
        if request.pence == 0:
            return refusal(400, "invalid_request", "amount: has to be more than 0.00")
        refund_id = "re_" + hashlib.sha256(key.encode()).hexdigest()[:16]
        body = {
            **{"refund_id": refund_id, "order_id": request.order_id, "amount": request.amount},
            **{"currency": request.currency, "status": "refunded", "refundable": _pounds(left)},
        }
        row = (refund_id, request.order_id, request.pence, request.reason, key, request.digest, json.dumps(body))
        database.execute("INSERT INTO refunds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, _now()))
        return Answer(status=201, body=body, result="refunded")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


class Tokens:
    """Bearer tokens: when each ends, signed with the client secret, so that they outlive a restart.

    Args:
        secret: The client secret.
        seconds: How long a token lives.
        now: The clock, in seconds since 1970.
    """

    def __init__(self, secret: str, *, seconds: float = 300.0, now: Callable[[], float] = time.time) -> None:
        self._secret, self._seconds, self._now = secret, seconds, now

    def issue(self, secret: str) -> dict[str, Any] | None:
        """A token; None for another secret."""
        if not hmac.compare_digest(secret.encode(), self._secret.encode()):
            return None
        claim = f"{self._now() + self._seconds:.3f}.{secrets.token_hex(8)}"
        token = f"pt_{claim}.{self._sign(claim)}"
        return {"access_token": token, "token_type": "Bearer", "expires_in": self._seconds}

    def accepts(self, authorization: str) -> bool:
        """Whether a request with this `Authorization` may refund."""
        claim, _, signature = authorization.removeprefix("Bearer pt_").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(claim).encode()):
            return False
        return float(claim.rpartition(".")[0]) > self._now()

    def _sign(self, claim: str) -> str:
        return hmac.new(self._secret.encode(), claim.encode(), "sha256").hexdigest()


def payment_routes(book: PaymentBook, tokens: Tokens) -> list[Route]:
    """The HTTP interface of a book."""

    async def issue_token(request: Request) -> JSONResponse:
        body = await request.body()
        try:
            given = TokenRequest.model_validate_json(body[:MAX_BODY_BYTES])
        except ValidationError:
            return _respond(refusal(400, "invalid_request", 'send {"client_secret": "…"}'))
        token = tokens.issue(given.client_secret)
        return JSONResponse(token) if token else _respond(refusal(401, "invalid_client", "the client secret is wrong"))

    async def make_refund(request: Request) -> JSONResponse:
        if not tokens.accepts(request.headers.get("Authorization", "")):
            return _respond(refusal(401, "invalid_token", "the bearer token is missing, wrong or has expired"))
        key = request.headers.get("Idempotency-Key", "")
        if not 1 <= len(key) <= 255:
            return _respond(refusal(400, "missing_key", "send an Idempotency-Key of 1 to 255 characters"))
        body = await request.body()
        if len(body) > MAX_BODY_BYTES:
            return _respond(refusal(413, "too_large", f"a body has {MAX_BODY_BYTES} bytes at most"))
        try:
            wanted = RefundRequest.model_validate_json(body)
        except ValidationError as error:
            mistakes = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
            return _respond(refusal(400, "invalid_request", mistakes))
        return _respond(book.refund(key, wanted))

    async def list_refunds(request: Request) -> JSONResponse:
        found = book.refunds(request.query_params.get("order_id"))
        return JSONResponse({"count": len(found), "refunds": found})

    async def list_attempts(request: Request) -> JSONResponse:
        found = book.attempts(request.query_params.get("order_id"))
        return JSONResponse({"count": len(found), "attempts": found})

    async def get_payment(request: Request) -> JSONResponse:
        order_id = request.path_params["order_id"]
        payment = book.payment(order_id)
        if payment is None:
            return _respond(refusal(404, "unknown_order", f"there is no payment for order {order_id}"))
        return JSONResponse(payment)

    return [
        Route("/token", issue_token, methods=["POST"]),
        Route("/refunds", make_refund, methods=["POST"]),
        Route("/refunds", list_refunds, methods=["GET"]),
        Route("/attempts", list_attempts, methods=["GET"]),
        Route("/payments/{order_id}", get_payment, methods=["GET"]),
    ]


def _respond(answer: Answer) -> JSONResponse:
    headers = {"Idempotent-Replay": "true"} if answer.result == "replayed" else None
    return JSONResponse(answer.body, answer.status, headers=headers)


def _pounds(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02d}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
