"""Five consequential tools of one far side that de-duplicates by key; they do nothing but answer."""

from typing import Any

from benchmarks.records import read_record
from plangate import tool


@tool(effect="consequential", idempotency="key", dependency="far-side", summary="Charge the card for order {key}")
async def charge_card(key: str) -> dict[str, Any]:
    """Charge the card for order.

    Args:
        key: The order's number.
    """
    return read_record("charge_card", key)


@tool(effect="consequential", idempotency="key", dependency="far-side", summary="Book a courier for order {key}")
async def book_courier(key: str) -> dict[str, Any]:
    """Book a courier for order.

    Args:
        key: The order's number.
    """
    return read_record("book_courier", key)


@tool(effect="consequential", idempotency="key", dependency="far-side", summary="Reserve what was ordered in {key}")
async def reserve_stock(key: str) -> dict[str, Any]:
    """Reserve what was ordered in.

    Args:
        key: The order's number.
    """
    return read_record("reserve_stock", key)


@tool(effect="consequential", idempotency="key", dependency="far-side", summary="Send a notice about order {key}")
async def send_notice(key: str) -> dict[str, Any]:
    """Send a notice about order.

    Args:
        key: The order's number.
    """
    return read_record("send_notice", key)


@tool(effect="consequential", idempotency="key", dependency="far-side", summary="Issue a credit note for order {key}")
async def issue_credit(key: str) -> dict[str, Any]:
    """Issue a credit note for order.

    Args:
        key: The order's number.
    """
    return read_record("issue_credit", key)
