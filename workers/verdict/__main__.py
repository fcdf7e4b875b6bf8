"""`python -m workers.verdict RUN`: judge one run of the example agent on an embedded system."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from temporalio.client import Client

from plangate.errors import PlangateError
from plangate.exits import exit_with
from workers.connection import connect, data_folder, find_target
from workers.verdict.judging import judge
from workers.verdict.records import read_records

EXIT_BROKEN, EXIT_UNREADABLE = 1, 3


async def run(data: Path, run: str, *, as_json: bool) -> int:
    """Judge and report; returns the exit code."""
    client: Client = await connect(find_target(data))
    findings = judge(await read_records(data, client, run))
    holds = all(finding.ok for finding in findings)
    if as_json:
        print(json.dumps({"run": run, "holds": holds, "findings": [each.as_json() for each in findings]}))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.found}")
        print("The invariants hold." if holds else "The invariants do NOT hold.")
    return 0 if holds else EXIT_BROKEN


def main(arguments: list[str] | None = None) -> int:
    """Read the command line. Exit codes: 0 the invariants hold, 1 they don't, 3 the records can't be read."""
    parser = argparse.ArgumentParser(prog="python -m workers.verdict", description=__doc__)
    parser.add_argument("run", help="the run's id")
    parser.add_argument("--data", metavar="DIR", help="data folder (default: PLANGATE_DATA, else ./.plangate)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    given = parser.parse_args(arguments)
    try:
        return asyncio.run(run(data_folder(given.data), given.run, as_json=given.json))
    except (PlangateError, OSError, LookupError) as error:
        print(f"The records of {given.run!r} can't be read: {error}", file=sys.stderr)
        return EXIT_UNREADABLE


if __name__ == "__main__":
    exit_with(main)
