"""One Temporal server for all workflow tests; a worker and a database for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from temporalio.client import Client

from tests.workflows import desk as desks


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    async with desks.local_server() as environment:
        yield environment.client


@pytest_asyncio.fixture(loop_scope="session")
async def desk(client: Client, tmp_path: Path) -> AsyncIterator[desks.Desk]:
    async with desks.desk(client, tmp_path) as system:
        yield system
