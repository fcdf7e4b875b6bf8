"""Runs, usage, approvals, decisions, results, ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _runs()
    _usage()
    _approvals()
    _decisions()
    _results()
    _ledger()


def downgrade() -> None:
    for table in ("ledger", "results", "decisions", "approvals", "usage", "runs"):
        op.drop_table(table)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("agent_version", sa.String(100), nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("phase", sa.String(40), nullable=False),
        sa.Column("outcome", sa.String(40)),
        sa.Column("answer", sa.Text),
        sa.Column("summary", sa.Text),
        sa.Column("cost_usd", sa.Float),
        sa.Column("unpriced_calls", sa.Integer),
        sa.Column("input_tokens", sa.Integer),
        sa.Column("output_tokens", sa.Integer),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("result_json", sa.Text),
        sa.PrimaryKeyConstraint("run", name="pk_runs"),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_index("ix_runs_session", "runs", ["session"])


def _usage() -> None:
    op.create_table(
        "usage",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("task", sa.String(100), nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("cached_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("cost_usd", sa.Float),
        sa.Column("latency_ms", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage"),
    )
    op.create_index("ix_usage_run", "usage", ["run"])


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("call", sa.String(200), nullable=False),
        sa.Column("step", sa.String(100), nullable=False),
        sa.Column("tool", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("args_json", sa.Text, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("deadline", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("decided_by", sa.Text),
        sa.Column("action", sa.String(40)),
        sa.Column("reason", sa.Text),
        sa.Column("request_json", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_run", "approvals", ["run"])
    op.create_index("ix_approvals_status_deadline", "approvals", ["status", "deadline"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("approval", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("at", MOMENT),
        sa.Column("dedupe", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.UniqueConstraint("dedupe", name="uq_decisions_dedupe"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decisions_approval", "decisions", ["approval"])
    op.create_index("ix_decisions_run", "decisions", ["run"])


def _results() -> None:
    op.create_table(
        "results",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("step", sa.String(100), nullable=False),
        sa.Column("call", sa.String(200), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("value_json", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_results"),
    )
    op.create_index("ix_results_run", "results", ["run"])


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("step", sa.String(100), nullable=False),
        sa.Column("call", sa.String(200), nullable=False),
        sa.Column("tool", sa.String(200), nullable=False),
        sa.Column("tool_version", sa.String(100), nullable=False),
        sa.Column("mode", sa.String(40), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("approval_id", sa.Text),
        sa.Column("attempt_token", sa.String(100), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("result_key", sa.String(200)),
        sa.Column("error", sa.Text),
        sa.Column("intended_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("key", name="pk_ledger"),
        sa.UniqueConstraint("approval_id", name="uq_ledger_approval_id"),
    )
    op.create_index("ix_ledger_run", "ledger", ["run"])
    op.create_index("ix_ledger_state", "ledger", ["state"])
