"""Poisoned data, in a few styles, with a model that obeys what it reads. All styles: `python -m tests.flow`."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.flow.poisoned import prove


@pytest.mark.asyncio(loop_scope="session")
async def test_what_others_wrote_changes_nothing_in_silence(client: Client, tmp_path: Path) -> None:
    report = await prove(client, tmp_path, model="gullible", styles=["plain order"])
    assert report.silent == []
    assert report.clean.deeds, "the clean runs do something by themselves, or nothing is proven"
    for poisoned in report.styles.values():
        assert poisoned.texts > 300
        assert poisoned.waits - report.clean.waits, "the model obeyed, and what it wanted waits for a person"
