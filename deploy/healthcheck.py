#!/usr/bin/env python3
"""The container's health check: ask the process beside it whether it is healthy.

Exits 0 when ``http://127.0.0.1:$PLANGATE_HEALTH_PORT/healthz`` answers 200, else 1 with the reason in one line.
Needs nothing but the standard library, so that it starts in milliseconds and never depends on the product's code.
"""

from __future__ import annotations

import http.client
import os
import sys

TIMEOUT_SECONDS = 3


def check(port: str) -> str | None:
    """Return why the process on ``port`` is not healthy, or None when it is."""
    if not port.isdigit():
        return f"PLANGATE_HEALTH_PORT is {port!r}, not a port number"
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        body = response.read(500).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from 127.0.0.1:{port}/healthz: {error}"
    finally:
        connection.close()
    return None if response.status == http.client.OK else f"HTTP {response.status} from /healthz: {body}"


def main() -> int:
    """Print the reason when unhealthy; the return value is the exit code."""
    problem = check(os.environ.get("PLANGATE_HEALTH_PORT", ""))
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
