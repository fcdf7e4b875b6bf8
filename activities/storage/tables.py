"""The schema, the same on SQLite and PostgreSQL. Migrations in `migrations/versions` lead to exactly this."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: stored in UTC, given back aware on both databases. Refuses a naive datetime."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the database gets; SQLite stores no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the database takes aware datetimes only")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """An aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    """Text from outside. What no database can hold is made visible: NUL as `U+FFFD`, a lone surrogate as its escape.

    The escape of a lone surrogate (`\\ud800`) is the one of JSON too, so JSON text stays JSON of the same value.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Text that both databases can hold."""
        if value is None or (value.isascii() and "\x00" not in value):
            return value
        return value.replace("\x00", "\ufffd").encode("utf-8", "backslashreplace").decode("utf-8")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

runs = Table(
    "runs",
    metadata,
    Column("run", AnyText, primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("agent_version", String(100), nullable=False),
    Column("user", AnyText),
    Column("session", AnyText),
    Column("request", AnyText, nullable=False),
    Column("phase", String(40), nullable=False),
    Column("outcome", String(40)),
    Column("answer", AnyText),
    Column("summary", AnyText),
    Column("cost_usd", Float),
    Column("unpriced_calls", Integer),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("result_json", AnyText),
    Index(None, "started_at"),
    Index(None, "session"),
)
"""One row a run. `outcome` is null while it goes on; `cost_usd` is null where no call had a known price."""

usage = Table(
    "usage",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("run", AnyText, nullable=False),
    Column("agent", String(200), nullable=False),
    Column("user", AnyText),
    Column("session", AnyText),
    Column("model", String(200), nullable=False),
    Column("task", String(100), nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost_usd", Float),
    Column("latency_ms", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("forecast_tokens", Integer),
    Column("forecast_usd", Float),
    Column("cached_calls", Integer),
    Index(None, "run"),
    Index(None, "at"),
)
"""One row a model call; `cost_usd` is null when the price isn't known. `cached_calls` is 1 when Plangate's own cache
answered; `forecast_…` is what was expected before the call."""

approvals = Table(
    "approvals",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("run", AnyText, nullable=False),
    Column("call", String(200), nullable=False),
    Column("step", String(100), nullable=False),
    Column("tool", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("args_json", AnyText, nullable=False),
    Column("status", String(40), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", AnyText),
    Column("action", String(40)),
    Column("reason", AnyText),
    Column("request_json", AnyText, nullable=False),
    Index(None, "run"),
    Index(None, "status", "deadline"),
)
"""One row a gate: the question, and once there is one, the answer. `id` is `RUN/CALL`."""

decisions = Table(
    "decisions",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("approval", AnyText, nullable=False),
    Column("run", AnyText, nullable=False),
    Column("action", String(40), nullable=False),
    Column("by", AnyText, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("digest", AnyText, nullable=False),
    Column("status", String(40), nullable=False),
    Column("message", AnyText, nullable=False),
    Column("at", UtcDateTime),
    Column("dedupe", String(64), nullable=False),
    UniqueConstraint("dedupe"),
    Index(None, "approval"),
    Index(None, "run"),
    sqlite_autoincrement=True,
)
"""Every decision that came in and what became of it (`ReceiptStatus`), whether it changed something or not."""

results = Table(
    "results",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("run", AnyText, nullable=False),
    Column("step", String(100), nullable=False),
    Column("call", String(200), nullable=False),
    Column("size", Integer, nullable=False),
    Column("value_json", AnyText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "run"),
)
"""Results of calls by idempotency key; `size` in bytes of JSON."""

ledger = Table(
    "ledger",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("run", AnyText, nullable=False),
    Column("agent", String(200), nullable=False),
    Column("step", String(100), nullable=False),
    Column("call", String(200), nullable=False),
    Column("tool", String(200), nullable=False),
    Column("tool_version", String(100), nullable=False),
    Column("mode", String(40), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("state", String(40), nullable=False),
    Column("approval_id", AnyText),
    Column("attempt_token", String(100), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("result_key", String(200)),
    Column("error", AnyText),
    Column("intended_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("lease_until", UtcDateTime),
    UniqueConstraint("approval_id"),
    Index(None, "run"),
    Index(None, "state"),
)
"""Effects by idempotency key. `state`: intended, done, failed, unknown, resolved, compensated. An approval is used by
one row at most. `attempt_token`: whose row it is; `lease_until`: until when that attempt may send."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("run", AnyText, primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("agent_version", String(100), nullable=False),
    Column("user", AnyText),
    Column("session", AnyText),
    Column("request", AnyText, nullable=False),
    Column("state", String(40), nullable=False),
    Column("cause", String(40), nullable=False),
    Column("type", String(100), nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("step", String(100)),
    Column("attempts", Integer, nullable=False),
    Column("trace_id", String(64)),
    Column("failed_at", UtcDateTime, nullable=False),
    Column("state_json", AnyText, nullable=False),
    Column("error_json", AnyText, nullable=False),
    Column("history_json", AnyText, nullable=False),
    Index(None, "state", "failed_at"),
)
"""One row a run that failed for good. `state`: open, resumed, discarded; `cause`: how it ended (`DeadLetterCause`);
`state_json`: its whole `RunState`; `history_json`: what people did about it."""

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

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("run", AnyText, nullable=False),
    Column("agent", String(200), nullable=False),
    Column("guard", String(100), nullable=False),
    Column("rule", String(200), nullable=False),
    Column("action", String(40), nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("detail", AnyText, nullable=False),
    Column("call", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "run"),
    Index(None, "guard", "at"),
)
"""One row for each thing that a guardrail said in a run, other than allow; written with the run's end. `id` is
`RUN:NUMBER`."""

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

budgets = Table(
    "budgets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("user", AnyText, nullable=False),
    Column("session", AnyText, nullable=False),
    Column("of", String(300), nullable=False),
    Column("per", String(40), nullable=False),
    Column("unit", String(20), nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("then", String(40), nullable=False),
    Column("set_by", AnyText, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)
"""Budgets that somebody set, beside those of the scope files: `plangate.spending.SpendingLimit`."""

accounts = Table(
    "accounts",
    metadata,
    Column("account", AnyText, primary_key=True),
    Column("of", String(300), nullable=False),
    Column("unit", String(20), nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "updated_at"),
)
"""What counts together against a budget: spent and reserved, in millionths."""

reservations = Table(
    "reservations",
    metadata,
    Column("key", AnyText, primary_key=True),
    Column("account", AnyText, primary_key=True),
    Column("run", AnyText, nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "at"),
)
"""Part of an account that one call holds: an effect by its idempotency key, or a model call that isn't settled."""

model_cache = Table(
    "model_cache",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("model", String(200), nullable=False),
    Column("answer", AnyText, nullable=False),
    Column("cost_usd", Float),
    Column("hits", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "expires_at"),
)
"""Answers of models that an agent allows to be used again, by the digest of everything that was asked and for whom."""

alerts = Table(
    "alerts",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("run", AnyText),
    Column("cost_usd", Float, nullable=False),
    Column("usual_usd", Float, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "at"),
)
"""Runs and days that cost more than twice the usual."""

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
