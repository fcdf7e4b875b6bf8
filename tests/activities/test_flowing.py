"""Information flow where arguments are bound and where the tool is called, with the example agent."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from temporalio.testing import ActivityEnvironment

from activities.binding import BindingActivities
from activities.catalogue import Catalogue
from activities.catalogue.loading import LoadedAgent, load_agent
from activities.flowing import stricter
from activities.guardrails.actions import flow
from activities.guardrails.contracts import Called
from activities.storage.store import Store
from client.render.gates import gate_box
from plangate.gating import gate_of
from plangate.lineage import plain_lineage
from plangate.plans import Plan
from plangate.policy import Action, Verdict
from plangate.runs import RunRequest
from plangate.tasks import BindTask, Bound, ScopeEntry, ToolCall
from tests.plangate.plan_makers import NOW

ORDER = {"order_id": "1042", "customer_name": "Rosa\u202e Amsel", "customer_email": "rosa.amsel@example.com"}
REQUEST = RunRequest(agent="support", request="Refund order 1042")


@pytest.fixture(scope="module")
def agent() -> LoadedAgent:
    return load_agent(Path(__file__).parents[2] / "agents" / "support")


async def bind(agent: LoadedAgent, store: Store, tool: str, args: dict[str, Any]) -> tuple[BindTask, Bound]:
    plan = Plan.model_validate(
        {
            "steps": [
                {"id": "order", "tool": "get_order", "args": {"order_id": "1042"}},
                {"id": "s", "tool": tool, "args": args},
            ]
        }
    )
    task = BindTask(
        run="r", agent="support", step="s", call="s", tool=tool, args=args, key="k", opened_at=NOW,
        deadline=NOW + timedelta(hours=1), scope={"order": ScopeEntry(value=ORDER)},
        lineage=plain_lineage(plan, plan.steps[1], args, REQUEST),
    )  # fmt: skip
    binding = BindingActivities(Catalogue(agents={"support": agent}), store)
    return task, await ActivityEnvironment().run(binding.bind_call, task)


async def test_a_gate_shows_where_words_come_from_and_what_they_say(agent: LoadedAgent, store: Store) -> None:
    args = {"order_id": "1042", "amount": 5, "reason": {"$ref": "order.customer_name"}}
    task, bound = await bind(agent, store, "refund_payment", args)
    assert (bound.verdict.action, bound.verdict.rule) == (Action.ASK, "flow.untrusted-argument")
    assert bound.untrusted == ["reason"]
    (reason,) = [each for each in bound.provenance if each.argument == "reason"]
    assert [source.text for source in reason.sources if not source.trusted] == ["Rosa\\u202e Amsel"]
    console = Console(width=100, record=True, file=StringIO())
    console.print(gate_box(gate_of(task, bound, tool_version="v")))
    page = console.export_text()
    assert "text of others: order.customer_name (get_order)" in page
    assert page.count("Rosa\\u202e Amsel") == 1, "the argument is the text itself: it isn't said twice"
    longer = bound.model_copy(update={"args": {**bound.args, "reason": "Dear Rosa"}})
    console.print(gate_box(gate_of(task, longer, tool_version="v")))
    assert "“Rosa\\u202e Amsel”" in console.export_text()


async def test_what_the_scope_opens_goes_by_itself_and_what_it_closes_is_refused(
    agent: LoadedAgent, store: Store
) -> None:
    letter = {"to": {"$ref": "order.customer_email"}, "subject": "Hi", "body": {"$ref": "order.customer_name"}}
    _, bound = await bind(agent, store, "send_email", letter)
    assert (bound.verdict.action, bound.untrusted, bound.provenance) == (Action.ALLOW, ["body"], [])
    _, bound = await bind(
        agent, store, "send_email", {**letter, "to": {"$ref": "order.customer_name || 'a@example.com'"}}
    )
    assert bound.verdict.action is Action.BLOCK or bound.error is not None


def test_the_activity_checks_it_again(agent: LoadedAgent) -> None:
    def judged(tool: str, *untrusted: str) -> Verdict:
        call = ToolCall(run="r", agent="support", step="s", call="s", tool=tool, key="k", untrusted=list(untrusted))
        return flow(Called(agent, agent.tool(tool), {}, call)) or Verdict(action=Action.ALLOW)

    assert judged("send_email", "body", "subject").action is Action.ALLOW
    assert judged("get_order", "order_id").action is Action.ALLOW
    assert judged("refund_payment", "reason").action is Action.ASK
    assert judged("send_email", "to").action is Action.BLOCK
    assert judged("refund_payment", "order_id").action is Action.BLOCK


@pytest.mark.parametrize(
    ("scope", "flow", "action", "rule"),
    [
        ("allow", "allow", "allow", "scope"),
        ("allow", "ask", "ask", "flow"),
        ("ask", "ask", "ask", "scope"),
        ("draft", "ask", "draft", "scope"),
        ("ask", "block", "block", "flow"),
        ("block", "ask", "block", "scope"),
    ],
)
def test_the_stricter_verdict_holds(scope: str, flow: str, action: str, rule: str) -> None:
    found = stricter(Verdict(action=scope, rule="scope", reason="a"), Verdict(action=flow, rule="flow", reason="b"))
    assert (found.action, found.rule) == (action, rule)
    if scope in ("ask", "draft") and flow == "ask":
        assert found.reason == "a; b (flow)"
