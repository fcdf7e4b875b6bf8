"""Tracing, in a process of its own: a tracer provider can be set once a process."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import json, sys
from opentelemetry import trace
from workers.telemetry import tracing
with tracing() as interceptors:
    with trace.get_tracer("plangate").start_as_current_span("a span"):
        pass
print(len(interceptors))
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def test_tracing_is_off_by_default() -> None:
    done = run()
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "0", "")


def test_spans_go_to_the_console_when_asked_for() -> None:
    done = run(OTEL_TRACES_EXPORTER="console")
    assert done.stdout.strip() == "1"
    assert '"name": "a span"' in done.stderr
    assert "plangate-worker" in done.stderr


def test_an_exporter_that_is_not_known_is_bad_input() -> None:
    done = run(OTEL_TRACES_EXPORTER="carrier-pigeon")
    assert "InvalidInput" in done.stderr
    assert "'otlp', 'console' or 'none'" in done.stderr
