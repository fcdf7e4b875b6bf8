"""Lets `python -m workers.agents` run the commands."""

from __future__ import annotations

import sys

from workers.agents.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
