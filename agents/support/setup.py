"""Makes the shop's tables and fills them; the worker calls `setup` at every start."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from . import knowledge, tables
from .data import Row, generate
from .shop import add_missing, today

_ONE_AT_A_TIME = 0x7EA907


async def setup(connection: AsyncConnection, settings: Mapping[str, str]) -> None:
    """Create what is missing and fill an empty shop; changes nothing that is there.

    Args:
        connection: To the project's database, in a transaction that the caller commits.
        settings: The agent's settings; none of them matters here.
    """
    if connection.dialect.name == "postgresql":  # workers that start together take turns
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ONE_AT_A_TIME})
    await connection.run_sync(tables.metadata.create_all)
    await knowledge.index(connection)
    if (await connection.execute(select(func.count()).select_from(tables.customers))).scalar_one():
        return
    data = generate(today())
    filled: list[tuple[Table, list[Row]]] = [
        (tables.customers, data.customers),
        (tables.orders, data.orders),
        (tables.items, data.items),
        (tables.shipments, data.shipments),
        (tables.payments, data.payments),
    ]
    for table, rows in filled:
        await add_missing(connection, table, rows)
