"""What all tests share: databases.

- `postgres`: a PostgreSQL server of the session's own; tests that need it are skipped where there is none.
- `database_url`: an empty database; a test that takes it runs on SQLite and on PostgreSQL.
- `store`: an open `Store` on such a database, migrated.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from activities.storage.migrate import migrate
from activities.storage.store import Store
from tests.postgres import NotAvailable, Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    try:
        with running_postgres() as server:
            yield server
    except NotAvailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/plangate.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create(f"test_{uuid.uuid4().hex}")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    await migrate(database_url)  # in this process, which is quicker than `upgrade=True`
    async with await Store.open(database_url) as opened:
        yield opened
