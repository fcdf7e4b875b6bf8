"""What every contender shares: the request, the five read tools and the record they return.

Keeping these in one place is what makes the contenders comparable: same names, same arguments, same result bytes.
"""

from typing import Any

REQUEST_TEXT = "Look up everything about order 4711 and tell me where it stands."
"""The request of every measured run."""

ONE_BY_ONE = "Call one tool at a time."
"""Appended to a request, it makes the fake model ask for one tool call per turn, as a model does whose next call
depends on the last one's result: six model calls in a run instead of two."""

GATED_REQUEST_TEXT = "Gated: refund order 4711."
"""A request that the fake model answers with a plan of one step that needs an approval."""

GATED_TOOL = "refund_order"
"""The consequential tool in the plan for `GATED_REQUEST_TEXT`."""

EFFECTS_REQUEST_TEXT = "Do everything for order 4711 and tell me where it stands."
"""A request that the fake model answers with a plan of five consequential calls."""

EFFECT_NAMES = ("charge_card", "book_courier", "reserve_stock", "send_notice", "issue_credit")
"""The five consequential tools, called once each in such a run."""

TOOL_NAMES = ("find_order", "find_customer", "find_payment", "find_shipment", "find_policy")
"""The five read tools, called once each in a run."""

RECORD_MARK = "bench-record"
"""Occurs once in each record; the fake model counts it to know that every result reached the answering call."""

ANSWER_FIELD = "answer"
"""The field of a contender's result that has the answer, when the result isn't a string."""

EXPECTED_ANSWER = f"Order 4711 is on its way; {len(TOOL_NAMES)} records were read."
"""The only answer that counts as a finished run."""


def answer_text(records: int) -> str:
    """The answer that the fake model gives after seeing `records` records."""
    return f"Order 4711 is on its way; {records} records were read."


def read_record(kind: str, key: str) -> dict[str, Any]:
    """The result of one read tool: about 200 bytes of JSON.

    Args:
        kind: The tool's name.
        key: The order's number.
    """
    return {
        "source": RECORD_MARK,
        "kind": kind,
        "key": key,
        "status": "in transit",
        "updated": "2026-01-15T09:30:00Z",
        "amount": {"value": "129.90", "currency": "EUR"},
        "note": "Left the sorting centre in the morning; due tomorrow.",
    }
