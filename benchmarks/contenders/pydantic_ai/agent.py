"""The agent: its model is the library's default for `openai:` (the Responses API)."""

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.durable_exec.temporal import TemporalDurability

from benchmarks.records import read_record

agent = Agent(
    "openai:bench-model",
    name="bench",
    instructions="Read what you need with the tools, then answer.",
    capabilities=[TemporalDurability()],
)


@agent.tool_plain
async def find_order(key: str) -> dict[str, Any]:
    """Read an order."""
    return read_record("find_order", key)


@agent.tool_plain
async def find_customer(key: str) -> dict[str, Any]:
    """Read an order's customer."""
    return read_record("find_customer", key)


@agent.tool_plain
async def find_payment(key: str) -> dict[str, Any]:
    """Read an order's payment."""
    return read_record("find_payment", key)


@agent.tool_plain
async def find_shipment(key: str) -> dict[str, Any]:
    """Read an order's shipment."""
    return read_record("find_shipment", key)


@agent.tool_plain
async def find_policy(key: str) -> dict[str, Any]:
    """Read the policy that applies to an order."""
    return read_record("find_policy", key)
