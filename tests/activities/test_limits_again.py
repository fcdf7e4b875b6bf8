"""The tool's activity checks limits once more, whatever the workflow says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from activities.catalogue import Catalogue
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.action_limits import CALLS, parse_limit
from plangate.errors import ErrorType
from plangate.policy import parse_rule
from tests.activities.tool_agent import Bench, Far, agent_of


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Bench:
    far = Far()
    agent = agent_of(tmp_path, far)
    limits = [
        parse_limit("pay", "amount", "at most £100", "never"),
        parse_limit("pay", "note", "one of none, tip", "asks first"),
        parse_limit("pay", CALLS, "at most 2 calls", "asks first"),
    ]
    tools = {
        **agent.scope.tools,
        "erase": agent.scope.tools["erase"].model_copy(update={"rule": parse_rule("drafts it")}),
    }
    scope = agent.scope.model_copy(update={"actions": limits, "tools": tools})
    agent = dataclasses.replace(agent, scope=scope)
    return Bench(agent, store, far, ToolActivities(Catalogue(agents={"shop": agent}), store, environ={}))


async def test_what_is_never_done_is_not_done_with_an_approval_either(bench: Bench) -> None:
    call = bench.granted(bench.call("pay", {"amount": 101}))
    assert "amount is £101.00" in await bench.refused(call, ErrorType.BLOCKED)
    assert bench.far.effects == []


@pytest.mark.parametrize("beyond", [{"note": "bribe"}, {"nth": 3}])
async def test_what_asks_needs_an_approval(bench: Bench, beyond: dict[str, object]) -> None:
    args = {"amount": 1, **{name: value for name, value in beyond.items() if name == "note"}}
    call = bench.call("pay", args, nth=beyond.get("nth", 2))
    assert "there is none" in await bench.refused(call, ErrorType.NOT_APPROVED)
    assert (await bench.make(bench.granted(call))).error is None
    assert len(bench.far.effects) == 1


async def test_a_draft_is_never_carried_out(bench: Bench) -> None:
    call = bench.granted(bench.call("erase", {"thing": "cup"}))
    assert "only drafted" in await bench.refused(call, ErrorType.BLOCKED)
    assert bench.far.effects == []
