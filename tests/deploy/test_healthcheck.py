from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest


@contextmanager
def serving(status: int) -> Iterator[int]:
    """Answer /healthz with ``status`` on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()
            self.wfile.write(b"worker is draining")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check(repository: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = repository / "deploy/healthcheck.py"
    return subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False, timeout=20
    )


def test_healthy(repository: Path) -> None:
    with serving(200) as port:
        done = check(repository, {"PLANGATE_HEALTH_PORT": str(port), "http_proxy": "http://127.0.0.1:9"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_unhealthy_says_what_the_worker_said(repository: Path) -> None:
    with serving(503) as port:
        done = check(repository, {"PLANGATE_HEALTH_PORT": str(port)})
    assert done.returncode == 1
    assert "HTTP 503" in done.stderr
    assert "worker is draining" in done.stderr


def test_nobody_answers(repository: Path) -> None:
    with serving(200) as port:
        pass
    done = check(repository, {"PLANGATE_HEALTH_PORT": str(port)})
    assert done.returncode == 1
    assert f"no answer from 127.0.0.1:{port}/healthz" in done.stderr


@pytest.mark.parametrize("environment", [{}, {"PLANGATE_HEALTH_PORT": "http"}])
def test_a_wrong_port_is_named(repository: Path, environment: dict[str, str]) -> None:
    done = check(repository, environment)
    assert done.returncode == 1
    assert "PLANGATE_HEALTH_PORT" in done.stderr
