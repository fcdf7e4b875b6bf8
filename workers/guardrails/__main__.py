"""Lets `python -m workers.guardrails` run the command."""

from __future__ import annotations

import sys

from plangate.exits import exit_with
from workers.guardrails.commands import main

if __name__ == "__main__":
    exit_with(lambda: main(sys.argv[1:]))
