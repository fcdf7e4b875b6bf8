"""The agent's own table, in the project's database."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

metadata = MetaData()

outbox = Table(
    "new_agent_outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("to", String(200), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("body", Text, nullable=False),
)
