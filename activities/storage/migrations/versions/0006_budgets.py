"""Budgets, what counts against them, the cache of model calls, and alerts about cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("forecast_tokens", sa.Integer))
    op.add_column("usage", sa.Column("forecast_usd", sa.Float))
    op.add_column("usage", sa.Column("cached_calls", sa.Integer))
    op.create_index("ix_usage_at", "usage", ["at"])
    op.create_table(
        "budgets",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("of", sa.String(300), nullable=False),
        sa.Column("per", sa.String(40), nullable=False),
        sa.Column("unit", sa.String(20), nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.Column("then", sa.String(40), nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
    )
    op.create_table(
        "accounts",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("of", sa.String(300), nullable=False),
        sa.Column("unit", sa.String(20), nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
    )
    op.create_index("ix_accounts_updated_at", "accounts", ["updated_at"])
    op.create_table(
        "reservations",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", "account", name="pk_reservations"),
    )
    op.create_index("ix_reservations_at", "reservations", ["at"])
    op.create_table(
        "model_cache",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Float),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_model_cache"),
    )
    op.create_index("ix_model_cache_expires_at", "model_cache", ["expires_at"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("run", sa.Text),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("usual_usd", sa.Float, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_at", "alerts", ["at"])


def downgrade() -> None:
    for table in ("alerts", "model_cache", "reservations", "accounts", "budgets"):
        op.drop_table(table)
    op.drop_index("ix_usage_at", "usage")
    for column in ("cached_calls", "forecast_usd", "forecast_tokens"):
        op.drop_column("usage", column)
