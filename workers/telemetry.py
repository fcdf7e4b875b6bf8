"""Tracing with OpenTelemetry: off unless `OTEL_TRACES_EXPORTER` says `otlp` or `console`.

Spans of workflows and activities come from Temporal's interceptor, spans of model calls from `activities.models`. The
standard `OTEL_*` variables (endpoint, headers, service name, sampler) are the SDK's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from temporalio.contrib.opentelemetry import TracingInterceptor

from plangate.errors import InvalidInput


@contextmanager
def tracing() -> Iterator[Sequence[TracingInterceptor]]:
    """Set up tracing for this process, and flush it at the end.

    Yields:
        Interceptors for `PlangatePlugin`; none when tracing is off.

    Raises:
        InvalidInput: `OTEL_TRACES_EXPORTER` names an exporter that isn't known.
    """
    exporter = _exporter(os.environ.get("OTEL_TRACES_EXPORTER", "none").strip().lower())
    if exporter is None:
        yield []
        return
    name = os.environ.get("OTEL_SERVICE_NAME", "plangate-worker")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield [TracingInterceptor(provider.get_tracer("plangate"))]
    finally:
        provider.shutdown()


def _exporter(name: str) -> SpanExporter | None:
    if name in ("", "none"):
        return None
    if name == "console":
        return ConsoleSpanExporter(out=sys.stderr)
    if name == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # slow to import

        return OTLPSpanExporter()
    raise InvalidInput(f"OTEL_TRACES_EXPORTER is 'otlp', 'console' or 'none', not {name!r}")
