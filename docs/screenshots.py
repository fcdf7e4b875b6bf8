"""Takes the screenshots in docs/images again: starts the system on a temporary folder, runs requests, opens the UI.

    make setup
    .bootstrap/bin/uv run --no-sync --with playwright python docs/screenshots.py

Needs Chromium: the one at `--chromium` (default /usr/bin/chromium); nothing is downloaded but Playwright's package.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
COLUMNS = (
    "Status",
    "Workflow ID",
    "PlangateAgent",
    "PlangateStatus",
    "PlangateUser",
    "PlangatePending",
    "PlangateCostUsd",
)
COLUMNS_KEY = "namespace-workflow-table-columns"
"""Where the UI keeps the columns of its run list, in the browser's localStorage: namespace → `[{"label": …}]`."""

ROSA, TOBIAS, MARGUERITE = "rosa.amsel@example.com", "tobias.fenn@example.com", "marguerite.sund@example.com"
WAITING, FINISHED, REFUSED = "teapot-1042", "caddy-1051", "address-1048"
REQUESTS = (
    ("question-1060", "imani.vale@example.com", "Where is my order 1060?"),
    ("fee-1027", "percy.holm@example.com", "Order 1027 came six days late. Can I have the delivery fee of 4.50 back?"),
    ("tax", "percy.holm@example.com", "Can you help me with my tax return?"),
    (REFUSED, MARGUERITE, "Please send order 1048 to Marguerite Sund, 12 Quince Close, Easterly EY4 2BJ instead."),
    (FINISHED, TOBIAS, "Please cancel order 1051, I ordered the wrong tea caddy."),
    (
        WAITING,
        ROSA,
        "The Wren teapot from order 1042 arrived broken. Please refund the 62.00 and confirm it by e-mail.",
    ),
)
GATES = ("waiting for approval",)
ENDS = ("completed", "degraded", "declined", "rejected")
SECONDS = 60.0


class System:
    """The embedded system on a temporary folder.

    Args:
        environment: For its processes and for `plangate`.
        ui: Where Temporal's UI is.
    """

    def __init__(self, environment: dict[str, str], ui: str) -> None:
        self._environment = environment
        self.ui = ui

    def plangate(self, *arguments: str) -> str:
        """Run a command; returns what it prints."""
        command = [sys.executable, "-P", "-m", "client.cli", *arguments]
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True)  # noqa: S603
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
def embedded_system(folder: Path) -> Iterator[System]:
    """Start everything; end it afterwards."""
    configured = ("TEMPORAL_", "OPENAI_", "PLANGATE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(configured)}
    environment |= {"PLANGATE_DATA": str(folder), "TEMPORAL_CONFIG_FILE": str(folder / "none.toml")}
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


def prepare(system: System) -> None:
    """Make the runs that the pictures show: ended ones, and one that waits."""
    for run, user, request in REQUESTS:
        system.plangate("run", "support", request, "--user", user, "--id", run, "--no-watch")
    system.wait_for(REFUSED, GATES)
    reason = "The new address is in another country"
    system.plangate("reject", REFUSED, "--as", "ada@example.com", "--reason", reason)
    for gate in ("cancel", "refund"):
        system.wait_for(FINISHED, GATES)
        system.plangate("approve", f"{FINISHED}/{gate}", "--as", "ada@example.com")
    for run, _, _ in REQUESTS:
        system.wait_for(run, GATES if run == WAITING else ENDS)


def run_list(page: Page, system: System) -> None:
    """The list of runs with Plangate's columns."""
    columns = json.dumps({"default": [{"label": label} for label in COLUMNS]})
    page.add_init_script(f"localStorage.setItem({COLUMNS_KEY!r}, {columns!r})")
    page.set_viewport_size({"width": 1600, "height": 620})
    page.goto(f"{system.ui}/namespaces/default/workflows", wait_until="domcontentloaded")
    page.get_by_text(WAITING, exact=True).first.wait_for()
    save(page, "run-list.png")


def waiting_run(page: Page, system: System) -> None:
    """The page of the run that waits, with its current details."""
    page.set_viewport_size({"width": 1600, "height": 1110})
    page.goto(system.page(WAITING), wait_until="domcontentloaded")
    page.get_by_test_id("user-metadata-tab").click()
    for frame in page.locator("iframe").all():
        frame.wait_for()
    until(lambda: any("plangate approve" in frame.content() for frame in page.frames), "the details are shown")
    save(page, "run-waiting.png")


def timeline(page: Page, system: System) -> None:
    """The timeline of the finished run, in the order of time."""
    page.set_viewport_size({"width": 1600, "height": 1240})
    page.goto(system.page(FINISHED), wait_until="domcontentloaded")
    page.get_by_role("button", name="Descending").click()
    page.get_by_text("respond", exact=False).last.wait_for()
    save(page, "run-timeline.png")


def save(page: Page, name: str) -> None:
    """Take the picture once nothing moves any more."""
    page.wait_for_timeout(2000)
    page.screenshot(path=IMAGES / name)
    print(f"{IMAGES.name}/{name}: {(IMAGES / name).stat().st_size // 1024} KiB")


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default="/usr/bin/chromium", metavar="FILE", help="the browser")
    chromium = parser.parse_args().chromium
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, embedded_system(Path(folder)) as system:
        prepare(system)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            page = browser.new_page(timezone_id="UTC", locale="en-GB")
            for take in (run_list, waiting_run, timeline):
                take(page, system)
            browser.close()


if __name__ == "__main__":
    main()
