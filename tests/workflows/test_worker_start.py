from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from plangate.runs import Outcome
from tests.workflows import desk as desks

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_worker_starts_without_hashing_all_code(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed() -> str:
        raise AssertionError("a hash of all loaded code, at each start")

    monkeypatch.setattr("temporalio.worker._worker.load_default_build_id", hashed)
    async with desks.desk(client, tmp_path) as desk:
        desk.model.script("done")
        result = await desk.run(plan={"steps": [{"id": "s", "tool": "look", "args": {"value": 1}}]})
    assert result.outcome is Outcome.COMPLETED
