"""`plangate dependencies`: whose answers changed, and what a wrong name or no database gives."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from activities.storage import drifts
from activities.storage.dependencies import Dependencies
from activities.storage.drifts import DriftKey
from activities.storage.migrate import migrate
from activities.storage.store import Store
from workers.dependencies.commands import main

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
MISSING = DriftKey("payments", "refund_payment", "drift", "refund.id is missing")
ADDED = DriftKey("payments", "refund_payment", "addition", "fee is new")


async def filled(url: str, *counts: dict[DriftKey, int]) -> None:
    await migrate(url)
    async with await Store.open(url) as store:
        for each, seen in enumerate(counts):
            await drifts.add(store, seen, at=T0 + timedelta(hours=each))


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PLANGATE_DATABASE_URL", url := f"sqlite:///{tmp_path}/plangate.db")
    return url


def test_answers_that_changed_are_counted_and_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(filled(url, {MISSING: 2, ADDED: 5}, {MISSING: 1}))
    assert main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)["drifts"]
    assert [(each["what"], each["kind"], each["count"]) for each in told] == [
        ("refund.id is missing", "drift", 3),
        ("fee is new", "addition", 5),
    ]
    assert told[0]["first_seen"] == T0.isoformat()
    assert told[0]["last_seen"] == (T0 + timedelta(hours=1)).isoformat()


def test_people_read_which_change_still_fits(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    asyncio.run(filled(url, {MISSING: 3, ADDED: 1}))
    assert main([]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "refund_payment" in line]
    assert [(row[0], row[-6]) for row in rows] == [("payments", "no"), ("payments", "yes")]
    assert [row[-5] for row in rows] == ["3", "1"]


def test_of_many_the_rest_is_counted(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    asyncio.run(filled(url, {MISSING._replace(what=f"field_{each} is missing"): 1 for each in range(25)}))
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.count("refund_payment") == 20
    assert "and 5 more" in out


def test_an_unknown_name_says_where_the_names_are(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(filled(url))
    assert main(["--reset", "paymets"]) == 4
    err = capsys.readouterr().err
    assert "'paymets'" in err
    assert "`plangate dependencies` lists them" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("database or disk is full", "make room"),
        ("attempt to write a readonly database", "writable for you"),
        ("database is locked", "try again"),
        ("disk I/O error", ""),
    ],
)
def test_a_database_that_cant_be_written_is_no_defect(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, said: str, hint: str
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise OperationalError("UPDATE x", {}, sqlite3.OperationalError(said))

    asyncio.run(filled(url))
    monkeypatch.setattr(Dependencies, "reset", broken)
    assert main(["--reset", "mail"]) == 3
    told = capsys.readouterr().err
    assert told.startswith(f"Error: the database: {said}\n")
    assert hint in told
    assert "sqlalche.me" not in told
