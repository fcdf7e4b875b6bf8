"""The five read tools as activities."""

from typing import Any

from temporalio import activity

from benchmarks.records import read_record


@activity.defn
async def find_order(key: str) -> dict[str, Any]:
    """Read an order."""
    return read_record("find_order", key)


@activity.defn
async def find_customer(key: str) -> dict[str, Any]:
    """Read an order's customer."""
    return read_record("find_customer", key)


@activity.defn
async def find_payment(key: str) -> dict[str, Any]:
    """Read an order's payment."""
    return read_record("find_payment", key)


@activity.defn
async def find_shipment(key: str) -> dict[str, Any]:
    """Read an order's shipment."""
    return read_record("find_shipment", key)


@activity.defn
async def find_policy(key: str) -> dict[str, Any]:
    """Read the policy that applies to an order."""
    return read_record("find_policy", key)


TOOLS = (find_order, find_customer, find_payment, find_shipment, find_policy)
