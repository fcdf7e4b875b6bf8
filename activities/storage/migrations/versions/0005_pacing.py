"""Lines of dependencies with limits, learned pauses, and health checks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lines",
        sa.Column("dependency", sa.String(300), nullable=False),
        sa.Column("requests_per_minute", sa.Float),
        sa.Column("burst", sa.Integer, nullable=False),
        sa.Column("at_once", sa.Integer),
        sa.Column("tokens_per_minute", sa.Float),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("tokens_at", sa.DateTime(timezone=True)),
        sa.Column("virtual", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("dependency", name="pk_lines"),
    )
    op.create_table(
        "places",
        sa.Column("dependency", sa.String(300), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("tag", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("turn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holds", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("dependency", "key", name="pk_places"),
    )
    op.create_index("ix_places_run", "places", ["run"])
    op.add_column("dependencies", sa.Column("paused_until", sa.DateTime(timezone=True)))
    op.add_column("dependencies", sa.Column("healthy", sa.Boolean))
    op.add_column("dependencies", sa.Column("health", sa.Text, nullable=False, server_default=""))
    op.add_column("dependencies", sa.Column("health_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for name in ("paused_until", "healthy", "health", "health_at"):
        op.drop_column("dependencies", name)
    op.drop_table("places")
    op.drop_table("lines")
