"""Lets `python -m workers.dead_letters` run the commands."""

from __future__ import annotations

import sys

from workers.dead_letters.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
