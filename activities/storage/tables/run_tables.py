"""Tables of runs: what was asked, decided, done, used, and what failed for good."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from activities.storage.tables.columns import AnyText, UtcDateTime, metadata

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
