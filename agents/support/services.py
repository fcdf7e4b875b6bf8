"""The companions of the `support` agent: a payment service and a mail sink, on this machine only.

    python agents/support/services.py --data DIR [--payments-port N] [--smtp-port N] [--token-seconds N] [--until-eof]

Prints one line of JSON when both are ready: the environment variables that lead the agent's tools to them. Stays until
SIGTERM or SIGINT, or with `--until-eof` until its standard input ends. Started again on the same folder it takes the
same ports if they are free, so that a worker that is running finds it again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP
from data import generate
from mail_sink import Mailbox, mailbox_routes, smtp_session
from payment_service import PaymentBook, Tokens, payment_routes
from starlette.applications import Starlette

from activities.injection.enabling import banner, find_injector
from activities.injection.injector import Injector
from plangate.errors import InvalidInput

HOST = "127.0.0.1"
EXIT_USAGE, EXIT_PORT_TAKEN = 2, 3
TOKEN_SECONDS = 300.0


class Server(uvicorn.Server):
    """uvicorn's server that says when it is ready and leaves the signals to `main`."""

    def __init__(self, app: Any, on_ready: Callable[[], None], **settings: Any) -> None:
        usual: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off"}
        super().__init__(uvicorn.Config(app, timeout_graceful_shutdown=2, **usual, **settings))
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._on_ready()


def bind(wanted: int, remembered: int) -> socket.socket:
    """A listening socket on the wanted port; without one on the remembered port, or on any if that is taken.

    Raises:
        OSError: When the wanted port is taken.
    """
    for port in [wanted] if wanted else [remembered, 0]:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(128)
        except OSError:
            listener.close()
            if port == wanted:
                raise
            continue
        listener.setblocking(False)
        return listener
    raise OSError("no free port")


def open_book(folder: Path) -> PaymentBook:
    """The payment service's book, with a payment for each order of the shop."""
    shop = generate(datetime.now(UTC).date())
    payments = [(row["order_id"], row["paid_pence"], row["refunded_pence"]) for row in shop.payments]
    return PaymentBook(folder / "payments.sqlite", payments)


def client_secret(folder: Path) -> str:
    """The client secret of the payment service: made at the first start, kept for the next, readable by its owner."""
    path = folder / "client-secret"
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"cs_{secrets.token_hex(24)}")
    return path.read_text(encoding="ascii")


async def serve(
    folder: Path,
    http: socket.socket,
    smtp: socket.socket,
    until_eof: bool,
    injector: Injector | None = None,
    token_seconds: float = TOKEN_SECONDS,
) -> None:
    """Run both services until told to stop."""
    loop = asyncio.get_running_loop()
    mailbox, book = Mailbox(folder / "mail"), open_book(folder)
    secret = client_secret(folder)
    tokens = Tokens(secret, seconds=token_seconds)
    app = Starlette(routes=[*payment_routes(book, tokens), *mailbox_routes(mailbox)])
    faults = None
    if injector is not None:
        from faulty_services import FaultyServices

        faults = FaultyServices(app, injector)

    def session() -> SMTP:
        return smtp_session(mailbox, faults.mail if faults else None)

    sinks = [await loop.create_server(session, sock=smtp)]
    settings = faults.settings if faults else {}
    server = Server(faults.app if faults else app, lambda: _say_ready(http, smtp, secret), **settings)
    if faults is not None:
        faults.own(sinks, session, server)

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if until_eof:
        threading.Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
    try:
        await server.serve(sockets=[http])
    finally:
        for sink in sinks:
            sink.close()
        book.close()


def _say_ready(http: socket.socket, smtp: socket.socket, secret: str) -> None:
    url = f"http://{HOST}:{http.getsockname()[1]}"
    ready = {
        "PLANGATE_SUPPORT_PAYMENTS_URL": url,
        "PLANGATE_SUPPORT_PAYMENTS_SECRET": secret,
        "PLANGATE_SUPPORT_SMTP": f"{HOST}:{smtp.getsockname()[1]}",
        "PLANGATE_SUPPORT_MAILBOX_URL": url,
    }
    print(json.dumps(ready), flush=True)


def _wait_for_eof(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop)


def _remembered(path: Path) -> dict[str, int]:
    try:
        ports = json.loads(path.read_text(encoding="utf-8"))
        return {name: int(ports[name]) for name in ("payments", "smtp")}
    except (OSError, ValueError, KeyError, TypeError):
        return {"payments": 0, "smtp": 0}


def main() -> int:
    """Read the command line, take the ports, serve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder for payments and mails; made when missing")
    parser.add_argument("--payments-port", type=int, default=0, help="port of the payment service and mailbox")
    parser.add_argument("--smtp-port", type=int, default=0, help="port of the mail sink")
    parser.add_argument("--token-seconds", type=float, default=TOKEN_SECONDS, help="life of a bearer token")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    options = parser.parse_args()
    try:
        injector = find_injector(os.environ)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    if injector is not None:
        print(banner(injector), file=sys.stderr, flush=True)
    options.data.mkdir(parents=True, exist_ok=True)
    memory = options.data / "ports.json"
    ports = _remembered(memory)
    try:
        http = bind(options.payments_port, ports["payments"])
        smtp = bind(options.smtp_port, ports["smtp"])
    except OSError as error:
        print(f"can't listen on the port asked for: {error}; give another or leave it out", file=sys.stderr)
        return EXIT_PORT_TAKEN
    memory.write_text(json.dumps({"payments": http.getsockname()[1], "smtp": smtp.getsockname()[1]}), encoding="utf-8")
    asyncio.run(serve(options.data, http, smtp, options.until_eof, injector, options.token_seconds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
