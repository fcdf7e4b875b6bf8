"""Dependencies and their circuit breakers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dependencies",
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("window", sa.String(200), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("openings", sa.Integer, nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True)),
        sa.Column("probe", sa.String(64), nullable=False),
        sa.Column("probe_until", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.String(100), nullable=False),
        sa.Column("latency_ms", sa.Float),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("rate_limited", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("reset_by", sa.Text, nullable=False),
        sa.Column("reset_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("name", name="pk_dependencies"),
    )


def downgrade() -> None:
    op.drop_table("dependencies")
