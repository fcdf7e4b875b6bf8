"""Faults of the database on purpose, on SQLite and PostgreSQL: what callers meet, and what is there afterwards."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from activities import faults
from activities.injection.injector import Injector
from activities.storage.faults import inject_into, kind_of
from activities.storage.store import Store
from plangate.errors import ErrorType
from plangate.faultplan import FaultPlan, FaultRule


def hurt(store: Store, **rule: Any) -> None:
    rules = [FaultRule.model_validate({"dependency": "database", "times": 1, **rule})]
    inject_into(store.engines, Injector(FaultPlan(faults=rules)))


async def rows(store: Store) -> int:
    async with store.reading() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM things"))).scalar_one())


async def add(store: Store) -> None:
    async with store.transaction() as connection:
        await connection.execute(text("INSERT INTO things VALUES (1)"))


@pytest.fixture
async def things(store: Store) -> Store:
    async with store.transaction() as connection:
        await connection.execute(text("CREATE TABLE things (thing INTEGER)"))
    return store


@pytest.mark.parametrize("call", ["write", "commit"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unreachable", ("unable to open", "connection was closed")),
        ("disk_full", ("disk is full", "No space left")),
        ("conflict", ("database is locked", "could not serialize")),
    ],
)
async def test_a_write_that_fails_leaves_nothing(things: Store, fault: str, words: tuple[str, str], call: str) -> None:
    hurt(things, fault=fault, call=call)
    with pytest.raises(DBAPIError) as caught:
        await add(things)
    kind, said, _ = faults.classify(caught.value)
    assert kind is ErrorType.UNAVAILABLE
    assert words[things.dialect != "sqlite"] in said
    assert await rows(things) == 0
    await add(things)
    assert await rows(things) == 1


async def test_a_read_that_fails(things: Store) -> None:
    hurt(things, fault="unreachable", call="read")
    with pytest.raises(DBAPIError):
        await rows(things)
    assert await rows(things) == 0


async def test_unreachable_for_a_while(things: Store) -> None:
    hurt(things, fault="unreachable", call="read", seconds=0.3)
    began = time.monotonic()
    failed = 0
    while time.monotonic() - began < 10:
        try:
            await add(things)
            await rows(things)
            break
        except DBAPIError:
            failed += 1
    assert failed > 1
    assert time.monotonic() - began >= 0.3


async def test_a_commit_whose_acknowledgement_is_lost(things: Store) -> None:
    hurt(things, fault="commit_lost", call="commit")
    with pytest.raises(DBAPIError) as caught:
        await add(things)
    assert faults.classify(caught.value)[0] is ErrorType.UNAVAILABLE
    assert await rows(things) == 1  # it had committed


@pytest.mark.parametrize(("fault", "call"), [("commit_late", "commit"), ("slow", "write"), ("slow", "commit")])
async def test_what_only_takes_time(things: Store, fault: str, call: str) -> None:
    hurt(things, fault=fault, call=call, seconds=0.2)
    began = time.monotonic()
    await add(things)
    assert time.monotonic() - began >= 0.2
    assert await rows(things) == 1


async def test_statements_by_their_text(things: Store) -> None:
    hurt(things, fault="conflict", match={"contains": "INSERT INTO things"})
    assert await rows(things) == 0
    with pytest.raises(DBAPIError):
        await add(things)


async def test_small_writes_that_share_a_commit(store: Store) -> None:
    hurt(store, fault="commit_lost", call="commit")
    put = {"key": "k", "run": "r", "step": "s", "call": "s", "value_json": "1"}
    try:
        await store.put_result(**put)
    except DBAPIError:
        await store.put_result(**put)  # as its activity's retry does
    assert await store.load_results(["k"]) == {"k": 1}


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT 1", "read"),
        ("PRAGMA query_only=ON", "read"),
        ("with a as (select 1) select * from a", "read"),
        ("WITH a AS (SELECT 1) UPDATE b SET c = 1", "write"),
        ("BEGIN IMMEDIATE", "write"),
        ("INSERT INTO a VALUES (1)", "write"),
        ("", "read"),
    ],
)
def test_kinds_of_statements(statement: str, kind: str) -> None:
    assert kind_of(statement) == kind
