"""Commands import only what they need: `plangate --help` in 0.3 s and `plangate approve` in 1 s depend on it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HELP = "import client.cli.app"
APPROVE = "import client.cli.app, client.decisions, client.runs, temporalio.client, temporalio.contrib.pydantic"


@pytest.mark.parametrize(
    ("work", "unwanted"),
    [
        (HELP, ["pydantic", "temporalio", "rich", "asyncio", "yaml"]),
        (APPROVE, ["temporalio.worker", "plangate.temporal", "rich.console", "openai", "sqlalchemy", "jsonschema"]),
    ],
    ids=["help", "approve"],
)
def test_a_command_does_not_import_what_it_does_not_need(work: str, unwanted: list[str]) -> None:
    code = f"{work}; import sys; print([name for name in {unwanted} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == "[]"
