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
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text
from showing import GATES, System, embedded_system, until

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
PLANS = Path(__file__).parent / "examples"
NOTE, MOVE = "where-1048", "move-1048"
ENDS = ("completed", "degraded", "declined", "rejected")


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


def prepare_note(system: System) -> None:
    """A stranger's words in the address of an order, and a plan by somebody who believes them: it waits."""
    ask(system, MOVE, "Please send order 1048 to the address below instead.", "note-in-an-address.yaml")
    system.wait_for(MOVE, GATES)
    system.plangate("approve", MOVE, "--as", "ada@example.com")
    system.wait_for(MOVE, ENDS)
    ask(system, NOTE, "Where does my order 1048 go now?", "believes-the-note.yaml")
    system.wait_for(NOTE, GATES)


def ask(system: System, run: str, request: str, plan: str) -> None:
    """Start a run with a plan of its own."""
    words = ("--user", MARGUERITE, "--plan", str(PLANS / plan), "--id", run, "--no-watch")
    system.plangate("run", "support", request, *words)


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


def details(run: str, words: str, name: str, height: int, page: Page, system: System) -> None:
    """The page of a run with its current details."""
    page.set_viewport_size({"width": 1600, "height": height})
    page.goto(system.page(run), wait_until="domcontentloaded")
    page.get_by_test_id("user-metadata-tab").click()
    until(lambda: any(words in frame.content() for frame in page.frames), "the details are shown")
    save(page, name)


def provenance(page: Page, system: System) -> None:
    """The gates with where their arguments come from, in the UI."""
    details(NOTE, "text of others", "gate-provenance-ui.png", 1700, page, system)


def refused(page: Page, system: System) -> None:
    """A request that was declined, with the rule."""
    details("tax", "scope.declined", "run-refused.png", 900, page, system)


def terminal(page: Page, system: System) -> None:
    """What `plangate show` prints of the same run in a terminal of 80 columns, with its colours."""
    screen = Console(width=80, record=True, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    shown = in_terminal(system, "show", NOTE)
    screen.print(Text.from_ansi(shown))
    page.set_viewport_size({"width": 1000, "height": 900})
    page.set_content(screen.export_svg(title=f"plangate show {NOTE}"))
    page.locator("svg").screenshot(path=IMAGES / "gate-provenance-terminal.png")
    print(f"{IMAGES.name}/gate-provenance-terminal.png")


def in_terminal(system: System, *words: str) -> str:
    """What a command prints to a terminal."""
    main, other = os.openpty()
    environment = system.environment | {"COLUMNS": "80", "LINES": "60", "TERM": "xterm-256color"}
    command = [sys.executable, "-P", "-m", "client.cli", *words]
    with subprocess.Popen(command, env=environment, stdout=other, stderr=other):  # noqa: S603
        os.close(other)
        read = b""
        try:
            while chunk := os.read(main, 65536):
                read += chunk
        except OSError:  # the terminal's other end was closed: all was read
            pass
    os.close(main)
    return read.decode().replace("\r\n", "\n")


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
        prepare_note(system)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            page = browser.new_page(timezone_id="UTC", locale="en-GB")
            for take in (run_list, waiting_run, timeline, provenance, refused, terminal):
                take(page, system)
            browser.close()


if __name__ == "__main__":
    main()
