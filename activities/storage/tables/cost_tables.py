"""Tables of what runs may cost and did cost."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
)

from activities.storage.tables.columns import AnyText, UtcDateTime, metadata

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
