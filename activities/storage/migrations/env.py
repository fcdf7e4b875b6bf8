"""Alembic's entry: runs revisions on the connection that `activities.storage.migrate` opened, in its transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from activities.storage.tables import metadata


def run(connection: Connection) -> None:
    """Run the revisions."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
