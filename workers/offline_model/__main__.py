"""`python -m workers.offline_model`: serve the offline model, or check its rules."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from activities.injection.enabling import banner, find_injector, load_fault_plan
from activities.injection.injector import Injector
from plangate.errors import InvalidInput
from plangate.faultplan import FaultPlan
from workers.offline_model.engine import OfflineModel
from workers.offline_model.server import ServerSettings, serve

_PORT = 8087
BANNER = """\
offline model: this is not a language model. It answers by the rules in each agent's offline.yaml
offline model: (docs/offline-model.md). Set OPENAI_API_KEY or OPENAI_BASE_URL to use a real one.
"""


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and serve. Returns the exit code: 0, 1 when it can't serve, 2 for wrong input."""
    options = _parser().parse_args(arguments)
    folders = tuple(options.agents or _default_folders())
    problems = OfflineModel(folders).problems()
    for problem in problems:
        print(problem, file=sys.stderr)
    if options.check:
        return 2 if problems else 0
    try:
        faults = Injector(load_fault_plan(options.faults)) if options.faults else find_injector(os.environ)
    except InvalidInput as error:
        print(f"offline model: {error}", file=sys.stderr)
        return 2
    if not options.quiet:
        print(BANNER, end="", file=sys.stderr)
    if faults is not None:
        print(f"offline model: {banner(faults)}", file=sys.stderr)
    return serve(
        ServerSettings(
            host=options.host,
            port=options.port,
            agents=folders,
            faults=faults or Injector(FaultPlan()),
            allow_fault_requests=options.allow_fault_requests,
            latency_seconds=options.latency_ms / 1000,
        )
    )


def _default_folders() -> list[Path]:
    here = Path(__file__).resolve().parent.parent
    return [folder for folder in (here.parent / "agents", here / "bundled_agents") if folder.is_dir()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.offline_model", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=_PORT, help="0 takes a free one (default %(default)s)")
    parser.add_argument("--agents", type=Path, action="append", metavar="DIR", help="folder of agents; may be repeated")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a fault plan in YAML, see docs/fault-injection.md")
    parser.add_argument(
        "--allow-fault-requests", action="store_true", help="let POST /faults change the fault plan (tests only)"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait before each reply (default 0)")
    parser.add_argument("--check", action="store_true", help="check the rules of all agents and exit")
    parser.add_argument("--quiet", action="store_true", help="no banner")
    return parser


if __name__ == "__main__":
    sys.exit(main())
