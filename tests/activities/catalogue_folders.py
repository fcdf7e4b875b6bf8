"""Makes agent folders for the tests of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from activities.catalogue import BrokenAgent, load_agent
from plangate.agents import ScopeProblem

SCOPE = """\
# Shop

## Purpose

Helps customers of the shop.

## Tools

| Tool | What it does | When |
|---|---|---|
| find_order | Finds an order | by itself |
| refund | Pays money back | by itself when amount is under 25, otherwise asks first |
"""
TOOLS = '''\
from __future__ import annotations

from plangate import ToolContext, tool

from .shop import Order


@tool(effect="read", summary="Find order {order_id}")
def find_order(order_id: str) -> Order:
    """Find an order."""
    return Order(id=order_id)


@tool(effect="consequential", idempotency="key", summary="Refund {amount} for {order_id}")
async def refund(ctx: ToolContext, order_id: str, amount: float, notify: bool = True) -> str:
    """Refund an order."""
    return "done"
'''
SHOP = """\
from pydantic import BaseModel


class Order(BaseModel):
    id: str
    total: float = 1.0
"""
FILES = {
    "scope.md": SCOPE,
    "agent.yaml": "title: Shop\nsettings:\n  payments_url: http://127.0.0.1:1\n",
    "tools.py": TOOLS,
    "shop.py": SHOP,
    "prompts/planner.md": "Be brief.\n",
    "knowledge/returns.md": "# Returns\n\nThirty days.\n",
    "offline.yaml": "intents: {}\n",
}


def make_folder(root: Path, name: str = "shop", files: Mapping[str, str | bytes | None] | None = None) -> Path:
    """A right agent folder, with some files replaced, added, or (None) left out."""
    folder = root / name
    for path, content in {**FILES, **(files or {})}.items():
        if content is not None:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def problems_of(folder: Path) -> list[ScopeProblem]:
    """The mistakes of a folder that has some."""
    with pytest.raises(BrokenAgent) as caught:
        load_agent(folder)
    return caught.value.problems
