"""The embedded system on a temporary folder, for the programs that take the pictures and transcripts of these pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GATES = ("waiting for approval",)
SECONDS = 60.0


class System:
    """The embedded system on a temporary folder.

    Args:
        environment: For its processes and for `plangate`.
        ui: Where Temporal's UI is.
    """

    def __init__(self, environment: dict[str, str], ui: str) -> None:
        self.environment = environment
        self.ui = ui

    def plangate(self, *arguments: str) -> str:
        """Run a command; returns what it prints."""
        command = [sys.executable, "-P", "-m", "client.cli", *arguments]
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)  # noqa: S603
        return done.stdout

    def wait_for(self, run: str, statuses: tuple[str, ...]) -> None:
        """Wait until a run's status is one of these."""

        def found() -> bool:
            listed = json.loads(self.plangate("runs", "--json"))
            return any(line["run"] == run and line["status"] in statuses for line in listed)

        until(found, f"{run} is one of {statuses}")

    def page(self, run: str) -> str:
        """The address of a run's page."""
        return f"{self.ui}/namespaces/default/workflows/{run}"


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {SECONDS:g} seconds: {what}")
        time.sleep(0.3)


@contextmanager
def embedded_system(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[System]:
    """Start everything; end it afterwards.

    Args:
        folder: Its data.
        settings: More of its environment: a model to use.
    """
    configured = ("TEMPORAL_", "OPENAI_", "PLANGATE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(configured)}
    environment |= {"PLANGATE_DATA": str(folder), "TEMPORAL_CONFIG_FILE": str(folder / "none.toml"), **(settings or {})}
    command = [sys.executable, "-P", "-m", "workers.supervisor", "--data", str(folder), "--json", "--until-eof"]
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            facts: dict[str, Any] = json.loads(process.stdout.readline())
            if not facts["ready"]:
                raise RuntimeError(facts["error"]["message"])
            yield System(environment, facts["ui"])
        finally:
            process.stdin.close()
