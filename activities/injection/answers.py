"""What injected answers say."""

from __future__ import annotations

import email.utils
import time

INJECTED = "injected fault"


def retry_after_header(wanted: str) -> str:
    """A `Retry-After` header: as it stands in the plan, or for `date:30` an HTTP date 30 seconds from now."""
    kind, _, seconds = wanted.partition(":")
    return email.utils.formatdate(time.time() + float(seconds), usegmt=True) if kind == "date" else wanted
