"""`plangate credentials`, and what `plangate doctor` says of the key."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from activities.storage.credentials import CredentialTable
from activities.storage.migrate import migrate
from activities.storage.store import Store
from workers.credential_check import credential_state
from workers.credentials.commands import main
from workers.settings import Settings

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def filled(url: str) -> None:
    await migrate(url)
    async with await Store.open(url) as store:
        table = CredentialTable(store)
        await table.refreshed("support", "payments", lease="", value="gAAA-hidden", at=T0, expires_at=None, by="w1")
        await table.failed("support", "payments", lease="", type="Timeout", error="no answer", at=T0)


def test_listed_without_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/plangate.db"
    monkeypatch.setenv("PLANGATE_DATABASE_URL", url)
    asyncio.run(filled(url))
    assert main(["list", "--json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["credentials"] == [
        {
            "name": "payments",
            "agent": "support",
            "expires_at": None,
            "refreshed_at": T0.isoformat(),
            "refreshed_by": "w1",
            "refreshes": 1,
            "failures": 1,
            "last_error": {"type": "Timeout", "message": "no answer", "at": T0.isoformat()},
            "shared": True,
        }
    ]
    assert main(["list"]) == 0
    assert "hidden" not in printed + capsys.readouterr().out


def test_what_doctor_says() -> None:
    key = Fernet.generate_key().decode()
    assert "each worker refreshes its own" in credential_state({})[1]
    assert credential_state({"PLANGATE_CREDENTIALS_KEY": key})[0]
    usable, found, _ = credential_state({"PLANGATE_CREDENTIALS_KEY": f"{key},x"})
    assert (usable, key in found) == (False, False)
    assert "key 2 of 2" in found


def test_a_key_stays_out_of_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANGATE_CREDENTIALS_KEY", "a-key-of-mine")
    assert "a-key-of-mine" not in repr(Settings.load([]))
