"""Dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("agent_version", sa.String(100), nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("cause", sa.String(40), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("step", sa.String(100)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("trace_id", sa.String(64)),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state_json", sa.Text, nullable=False),
        sa.Column("error_json", sa.Text, nullable=False),
        sa.Column("history_json", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", name="pk_dead_letters"),
    )
    op.create_index("ix_dead_letters_state_failed_at", "dead_letters", ["state", "failed_at"])


def downgrade() -> None:
    op.drop_table("dead_letters")
