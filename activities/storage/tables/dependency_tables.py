"""Tables of what runs depend on: breakers, lines before limits, answers that changed, credentials."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
)

from activities.storage.tables.columns import AnyText, UtcDateTime, metadata

dependencies = Table(
    "dependencies",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("state", String(40), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("window", String(200), nullable=False),
    Column("opened_at", UtcDateTime),
    Column("openings", Integer, nullable=False),
    Column("retry_at", UtcDateTime),
    Column("probe", String(64), nullable=False),
    Column("probe_until", UtcDateTime),
    Column("last_error", String(100), nullable=False),
    Column("latency_ms", Float),
    Column("calls", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("rate_limited", BigInteger, nullable=False),
    Column("updated_at", UtcDateTime),
    Column("reset_by", AnyText, nullable=False),
    Column("reset_at", UtcDateTime),
    Column("paused_until", UtcDateTime),
    Column("healthy", Boolean),
    Column("health", AnyText, nullable=False, server_default=""),
    Column("health_at", UtcDateTime),
)
"""One row a dependency, with its circuit breaker: a `plangate.breakers.Breaker`."""

lines = Table(
    "lines",
    metadata,
    Column("dependency", String(300), primary_key=True),
    Column("requests_per_minute", Float),
    Column("burst", Integer, nullable=False),
    Column("at_once", Integer),
    Column("tokens_per_minute", Float),
    Column("next_at", UtcDateTime),
    Column("tokens_at", UtcDateTime),
    Column("virtual", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("used_at", UtcDateTime),
)
"""One row a dependency with limits: these, for people, and a `plangate.pacing.Line` without its places."""

places = Table(
    "places",
    metadata,
    Column("dependency", String(300), primary_key=True),
    Column("key", String(300), primary_key=True),
    Column("user", AnyText, nullable=False),
    Column("run", AnyText, nullable=False),
    Column("call", AnyText, nullable=False),
    Column("tag", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("tokens", Float, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("turn_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("holds", Boolean, nullable=False),
    Index(None, "run"),
)
"""One row a call that waits for its turn, or has it: a `plangate.pacing.Place`."""

response_drifts = Table(
    "response_drifts",
    metadata,
    Column("dependency", String(300), primary_key=True),
    Column("tool", String(200), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("what", String(500), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
)
"""How answers of dependencies differ from what tools know of them: a `plangate.replies.Difference` a row."""

credentials = Table(
    "credentials",
    metadata,
    Column("agent", String(200), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("value", AnyText, nullable=False),
    Column("obtained_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("refreshed_by", String(300), nullable=False),
    Column("refreshes", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("error_type", String(100), nullable=False),
    Column("last_error", AnyText, nullable=False),
    Column("failed_at", UtcDateTime),
    Column("lease", String(64), nullable=False),
    Column("lease_until", UtcDateTime),
)
"""One row a credential of an agent. `value` is encrypted, or empty: workers without a key share nothing secret."""
