"""The benchmark's tools: the five reads that every contender has, and one that needs an approval."""

from typing import Any

from benchmarks.records import read_record
from plangate import tool


@tool(effect="read")
async def find_order(key: str) -> dict[str, Any]:
    """Read an order.

    Args:
        key: The order's number.
    """
    return read_record("find_order", key)


@tool(effect="read")
async def find_customer(key: str) -> dict[str, Any]:
    """Read an order's customer.

    Args:
        key: The order's number.
    """
    return read_record("find_customer", key)


@tool(effect="read")
async def find_payment(key: str) -> dict[str, Any]:
    """Read an order's payment.

    Args:
        key: The order's number.
    """
    return read_record("find_payment", key)


@tool(effect="read")
async def find_shipment(key: str) -> dict[str, Any]:
    """Read an order's shipment.

    Args:
        key: The order's number.
    """
    return read_record("find_shipment", key)


@tool(effect="read")
async def find_policy(key: str) -> dict[str, Any]:
    """Read the policy that applies to an order.

    Args:
        key: The order's number.
    """
    return read_record("find_policy", key)


@tool(effect="consequential", idempotency="natural", summary="Refund order {key}")
async def refund_order(key: str) -> dict[str, Any]:
    """Refund an order; it is here to be waited for, and moves no money.

    Args:
        key: The order's number.
    """
    return read_record("refund_order", key)
