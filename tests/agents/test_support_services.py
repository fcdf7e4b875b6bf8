"""The life of the companions: ready, stopped, started again."""

from __future__ import annotations

import signal
import smtplib
import socket
from pathlib import Path

import httpx2
import pytest

from tests.agents.conftest import Companions, running_companions

NAMES = {"PLANGATE_SUPPORT_PAYMENTS_URL", "PLANGATE_SUPPORT_SMTP", "PLANGATE_SUPPORT_MAILBOX_URL"}
NAMES |= {"PLANGATE_SUPPORT_PAYMENTS_SECRET"}


def send(companions: Companions, subject: str) -> None:
    host, port = companions.environment["PLANGATE_SUPPORT_SMTP"].split(":")
    with smtplib.SMTP(host, int(port), timeout=5) as server:
        server.sendmail("a@example.com", ["b@example.com"], f"Subject: {subject}\r\nTo: b@example.com\r\n\r\nHello\r\n")


def test_ready_then_gone_with_its_input(companions: Companions) -> None:
    assert set(companions.environment) == NAMES
    assert companions.get("/payments/1042")["refundable"] == "62.00"
    assert companions.stop() == 0


def test_a_signal_ends_them(companions: Companions) -> None:
    companions.process.send_signal(signal.SIGTERM)
    assert companions.process.wait(10) == 0


def test_the_next_life_has_the_ports_and_the_memory_of_the_last(tmp_path: Path) -> None:
    with running_companions(tmp_path) as first:
        body = {"order_id": "1042", "amount": "62.00", "currency": "GBP", "reason": "broken"}
        headers = {"Idempotency-Key": "key-1", **first.bearer()}
        httpx2.post(f"{first.url}/refunds", json=body, headers=headers, timeout=5)
        send(first, "one")
        first.process.kill()
        first.process.wait(10)
    with running_companions(tmp_path) as second:
        assert second.environment == first.environment
        again = httpx2.post(f"{second.url}/refunds", json=body, headers=headers, timeout=5)
        assert again.headers["Idempotent-Replay"] == "true"
        assert second.get("/refunds")["count"] == 1
        send(second, "two")
        assert [mail["subject"] for mail in second.get("/messages")["messages"]] == ["one", "two"]
        assert [path.name for path in sorted((tmp_path / "mail").glob("*.eml"))] == [
            "000001-message.eml",
            "000002-message.eml",
        ]


def test_other_ports_when_the_last_are_taken(tmp_path: Path) -> None:
    with running_companions(tmp_path) as first, running_companions(tmp_path) as second:
        assert first.url != second.url
        assert second.get("/payments/1042")["paid"] == "62.00"


@pytest.mark.parametrize("option", ["--payments-port", "--smtp-port"])
def test_a_wanted_port_that_is_taken(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running_companions(tmp_path, option, port) as companions:
            assert companions.process.wait(10) == 3
            assert companions.environment == {}


def test_a_damaged_memory_of_the_ports(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("[1, 2")
    with running_companions(tmp_path) as companions:
        assert companions.stop() == 0
