"""Lets `python -m workers.check` run the command."""

from __future__ import annotations

import sys

from workers.check.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
