"""Migrations: the schema they make, on both databases, from several processes at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from activities.storage.engine import configured_url, make_engines, missing_file, parse_url, shown_url
from activities.storage.migrate import config, migrate
from activities.storage.schema import NEWEST, current_revision
from activities.storage.store import Store
from activities.storage.tables import metadata
from plangate.errors import ErrorType, InvalidInput, PlangateError


async def test_migrations_lead_to_the_schema_in_tables(database_url: str) -> None:
    await migrate(database_url)
    engines = make_engines(database_url)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    async with engines.read.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engines.dispose()


def test_the_newest_revision_is_the_head_of_the_migrations() -> None:
    assert ScriptDirectory.from_config(config()).get_current_head() == NEWEST


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert await current_revision(database_url) is None
    assert await migrate(database_url) == NEWEST
    assert await migrate(database_url) == NEWEST
    assert await current_revision(database_url) == NEWEST


async def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    program = "import asyncio, sys; from activities.storage.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, database_url, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    ends = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * 3, [end[1].decode() for end in ends]
    assert await current_revision(database_url) == NEWEST


async def test_a_database_without_the_schema_is_refused_with_what_to_do(database_url: str) -> None:
    if (file := missing_file(database_url)) is not None:
        file.touch()
    with pytest.raises(PlangateError, match="has no schema yet: run `plangate migrate`"):
        await Store.open(database_url)


async def test_a_file_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "plangate.db"
    with pytest.raises(PlangateError, match=f"there is no database at {file}: .*plangate up.*--data") as raised:
        await Store.open(f"sqlite:///{file}")
    assert raised.value.type is ErrorType.UNAVAILABLE
    assert not file.parent.exists()


async def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    await migrate(database_url)
    engines = make_engines(database_url)
    async with engines.write.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engines.dispose()
    with pytest.raises(PlangateError, match=r"has the schema 9999.*install the version of Plangate that made it"):
        await Store.open(database_url)


async def test_a_server_that_is_away_is_said_without_the_password(unused_tcp_port: int) -> None:
    url = f"postgresql://someone:geheim@127.0.0.1:{unused_tcp_port}/plangate"
    with pytest.raises(PlangateError, match="can't be used") as raised:
        await migrate(url)
    assert raised.value.type is ErrorType.UNAVAILABLE
    assert "geheim" not in raised.value.message


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(InvalidInput, match="PLANGATE_DATABASE_URL"):
        parse_url(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_postgresql_goes_through_asyncpg_and_passwords_are_hidden(scheme: str) -> None:
    assert shown_url(f"{scheme}://me:geheim@db:5432/plangate") == "postgresql://me:***@db:5432/plangate"


def test_the_url_comes_from_the_environment_else_from_the_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PLANGATE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PLANGATE_DATA", str(tmp_path))
    assert configured_url() == f"sqlite+aiosqlite:///{tmp_path}/plangate.db"
    monkeypatch.setenv("PLANGATE_DATABASE_URL", "postgresql://db/plangate")
    assert configured_url() == "postgresql://db/plangate"


def test_the_command_prints_the_revision_and_upgrades(tmp_path: Path) -> None:
    env = {**os.environ, "PLANGATE_DATABASE_URL": f"sqlite:///{tmp_path}/new folder/plangate.db"}

    def command(*arguments: str) -> str:
        line = [sys.executable, "-m", "activities.storage", *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True, env=env).stdout

    assert "no schema yet" in command()
    assert f": {NEWEST} (" in command("upgrade")
    assert f": {NEWEST} (" in command()
