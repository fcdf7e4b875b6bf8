"""How answers of dependencies differ from what tools know of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "response_drifts",
        sa.Column("dependency", sa.String(300), nullable=False),
        sa.Column("tool", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("what", sa.String(500), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("dependency", "tool", "kind", "what", name="pk_response_drifts"),
    )


def downgrade() -> None:
    op.drop_table("response_drifts")
