"""Lets `python -m workers.costs` run the commands."""

from __future__ import annotations

import sys

from plangate.exits import exit_with
from workers.costs.commands import main

if __name__ == "__main__":
    exit_with(lambda: main(sys.argv[1:]))
