"""Contradictions between a scope's limits and its tools, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.catalogue import load_agent
from plangate.policy import Action
from tests.activities.catalogue_folders import SCOPE, make_folder, problems_of

TOOLS = '''\
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from plangate import tool


class Line(BaseModel):
    price: Annotated[float, Field(json_schema_extra={"currency": "EUR"})]


@tool(effect="read")
def find_order(order_id: str, limit: int | None = 5) -> str:
    """Find."""
    return ""


@tool(effect="consequential", idempotency="key")
def refund(
    order_id: str, amount: Annotated[float, Field(json_schema_extra={"currency": "GBP"})], total: Decimal,
    lines: list[Line], to: str, by: Literal["DHL", "UPS"], tags: list[str], sure: bool,
) -> str:
    """Refund."""
    return ""


@tool(effect="read")
def banned() -> str:
    """No."""
    return ""
'''
HEAD = SCOPE + "| banned | Is never used | never |\n"
ACTIONS = "\n## Limits of single actions\n\n| Tool | Argument | Limit | When exceeded |\n|---|---|---|---|\n"
SPENDING = "\n## Spending limits\n\n| What | Counted | At most | When exceeded |\n|---|---|---|---|\n"
GOOD = """\
| refund | amount | at most £500 | asks the owner |
| refund | amount | at most £900 | never |
| refund | amount | at least £1 | never |
| refund | total | at most 500 USD | never |
| refund | lines | at most 10 items | never |
| refund | lines.price | at most €5 | never |
| refund | to | only addresses at example.com | never |
| refund | by | one of DHL | never |
| refund | calls in a run | at most 3 | asks first |
| find_order | order_id | at most 10 characters | never |
| find_order | limit | at most 20 rows | never |
"""


def folder(root: Path, table: str) -> Path:
    return make_folder(root, files={"scope.md": HEAD + table, "tools.py": TOOLS, "shop.py": None})


def test_right_limits(tmp_path: Path) -> None:
    agent = load_agent(folder(tmp_path, ACTIONS + GOOD + SPENDING + "| refund amount | per day | £9 | never |\n"))
    assert len(agent.scope.actions) == 11
    assert (agent.policies["find_order"].rule, agent.policies["find_order"].counted) == ("when", False)
    assert agent.policies["refund"].counted
    assert [limit.agent for limit in agent.spending] == ["shop"]
    assert agent.verdict("find_order", {"order_id": "1", "limit": 21}).action is Action.BLOCK
    assert agent.verdict("find_order", {"order_id": "1", "limit": 20}).action is Action.ALLOW


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("refnd | amount | at most £5 | never", "the table of tools has no 'refnd'; did you mean 'refund'?"),
        ("banned | calls in a run | at most 3 | never", "it contradicts line 13: banned is never used"),
        ("refund | amuont | at most £5 | never", "'amuont' is no argument of the tool; did you mean 'amount'?"),
        ("refund | lines.prize | at most €5 | never", "'lines.prize' is no argument of the tool"),
        ("refund | order_id | at most 5 | never", "it is text, and the limit is for a number or an amount; write"),
        ("refund | sure | at most 5 | never", "it is yes or no, and the limit is for a number"),
        ("refund | lines | at most 5 | never", "write for example 'at most 10 items'"),
        ("refund | amount | at most 5 items | never", "it is a number, and the limit is for a list"),
        ("refund | amount | at most 5 characters | never", "it is a number, and the limit is for text"),
        ("refund | amount | only addresses at a.org | never", "it is a number, and the limit is for an address"),
        ("refund | amount | at most €5 | never", "it is an amount in GBP, not in EUR"),
        ("refund | amount | at most 5 | never", "it is an amount in GBP, not in a number without a currency"),
        ("refund | by | one of DHK | never", "it can't be 'DHK'; did you mean 'DHL'?"),
        ("refund | amount | at most £5 |  |", "it says a limit and not what happens when it is exceeded"),
        ("refund | | at most £5 | never", "a limit names a tool and one of its arguments"),
    ],
)
def test_a_limit_of_an_action_that_contradicts(tmp_path: Path, row: str, problem: str) -> None:
    (found,) = problems_of(folder(tmp_path, f"{ACTIONS}| {row} |\n"))
    assert (found.file, found.line) == ("scope.md", 19)
    assert problem in found.problem


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["find_order limit | per day | £5 | never"], "find_order is read, and only consequential tools move money"),
        (["refund amout | per day | £5 | never"], "'amout' is no argument of the tool; did you mean 'amount'?"),
        (["refund order_id | per day | £5 | never"], "it is text, and the limit is for a number"),
        (["refund amount | per day | €5 | never"], "it is an amount in GBP, not in EUR"),
        (
            ["refund total | per run | £5 | never", "refund total | per day | €5 | never"],
            "is counted in GBP in line 19",
        ),
        (["refund amount | per day | £5 | never", "refund amount | per day | £6 | never"], "stands in line 19"),
        (["models | per day | €5 | declines"], "counted in USD or tokens, not in 'EUR'"),
        (["models | per day | $5 | "], "it says a limit and not what happens when it is exceeded"),
        ([" | per day | $5 | never"], "doesn't say of what"),
    ],
)
def test_a_spending_limit_that_contradicts(tmp_path: Path, rows: list[str], problem: str) -> None:
    found = problems_of(folder(tmp_path, SPENDING + "".join(f"| {row} |\n" for row in rows)))
    assert (found[0].file, found[0].line) == ("scope.md", 18 + len(rows))
    assert problem in found[0].problem


def test_a_limit_without_an_escalation(tmp_path: Path) -> None:
    table = "\n## Limits\n\n| Limit | Value | When reached |\n|---|---|---|\n| Steps in a plan | 5 steps | |\n"
    (found,) = problems_of(folder(tmp_path, table))
    assert (found.line, found.problem) == (
        19,
        "the limit 'Steps in a plan' doesn't say what happens when it is reached",
    )


@pytest.mark.parametrize(
    ("condition", "table", "problem"),
    [
        ("amount is under €25", "", "'amount' is an amount in GBP, not in EUR"),
        (
            "total is under €25",
            "| refund | total | at most 500 USD | never |\n",
            "an amount in USD by line 19, not in EUR",
        ),
        ("amount is under £25", "", None),
        ("amount is under 25", "", None),
    ],
)
def test_a_rule_in_another_currency(tmp_path: Path, condition: str, table: str, problem: str | None) -> None:
    made = folder(tmp_path, ACTIONS + table)
    scope = made / "scope.md"
    row = next(line for line in scope.read_text().splitlines() if line.startswith("| refund |"))
    told = f"| refund | Refunds | by itself when {condition}, otherwise asks first |"
    scope.write_text(scope.read_text().replace(row, told, 1))
    found = [each.problem for each in problems_of(made)] if problem else []
    if problem is None:
        load_agent(made)
    else:
        assert problem in found[0]
