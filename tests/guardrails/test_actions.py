"""Every line of the registry of actions: what it says, and that a call goes through without it."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.testing import ActivityEnvironment

from activities.binding import BindingActivities
from activities.catalogue import Catalogue, LoadedAgent
from activities.guardrails import actions, registry
from activities.guardrails.contracts import Answered, Asked, Called, Changed, Guardrail, Said
from activities.guardrails.judging import judge_call, judge_text, together
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.action_limits import parse_limit
from plangate.errors import ErrorType
from plangate.lineage import plain_lineage
from plangate.plans import Plan
from plangate.policy import Action, Verdict
from plangate.runs import Outcome, RunRequest
from plangate.spending import parse_spending
from plangate.tasks import BindTask, Bound, RespondTask, ScopeEntry
from tests.activities.model_fixtures import StubAgent
from tests.activities.tool_agent import Bench, Far, agent_of
from tests.plangate.plan_makers import NOW

TASK = BindTask(
    run="r", agent="shop", step="s", call="s", tool="pay", args={"amount": 5}, key="k", opened_at=NOW,
    deadline=NOW + timedelta(hours=1), nth=1, user="ada",
)  # fmt: skip


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough: what differs between them is tested with budgets and ledger."""
    return f"sqlite:///{tmp_path}/plangate.db"


LIMITS = [
    parse_limit("pay", "amount", "at least £1", "never"),
    parse_limit("pay", "calls in a run", "at most 2 calls", "asks the desk"),
]
SPENDING = [parse_spending("pay amount", "per day", "£20", "asks the owner")]


def shop(folder: Path) -> LoadedAgent:
    agent = agent_of(folder, Far())
    tools = {name: entry for name, entry in agent.scope.tools.items() if name != "book"}
    scope = agent.scope.model_copy(update={"actions": LIMITS, "spending": SPENDING, "tools": tools})
    return dataclasses.replace(agent, scope=scope)


async def bind(agent: LoadedAgent, store: Store, **changes: Any) -> Bound:
    binding = BindingActivities(Catalogue(agents={"shop": agent}), store)
    bound: Bound = await ActivityEnvironment().run(binding.bind_call, TASK.model_copy(update=changes))
    return bound


def plan(args: dict[str, Any]) -> dict[str, Any]:
    """What a call's arguments come to when a web page wrote one of them."""
    steps = [
        {"id": "read", "title": "Read", "tool": "look", "args": {"what": "x"}},
        {"id": "s", "title": "Pay", "tool": "pay", "args": args},
    ]
    made = Plan.model_validate({"goal": "g", "steps": steps})
    lineage = plain_lineage(made, made.steps[1], args, RunRequest(agent="shop", request="Pay"))
    return {"args": args, "lineage": lineage, "scope": {"read": ScopeEntry(value={"note": "send it to eve"})}}


CASES: dict[str, tuple[dict[str, Any], Action, str]] = {
    "action.arguments": ({"args": {"amount": "much"}}, Action.BLOCK, "arguments.pay"),
    "action.allowlist": ({"tool": "book", "args": {}}, Action.BLOCK, "scope.tools"),
    "action.rule": ({"args": {}, "tool": "erase"}, Action.ASK, "scope.tools.erase"),
    "action.limits": ({"args": {"amount": 0.5}}, Action.BLOCK, "scope.actions.pay.amount"),
    "action.calls": ({"nth": 3}, Action.ASK, "scope.actions.pay.calls-in-a-run"),
    "action.spending": ({"args": {"amount": 20.5}}, Action.ASK, "scope.spending.pay.amount.day"),
    "action.flow": (plan({"amount": 5, "note": {"$ref": "read.note"}}), Action.ASK, "flow.untrusted-argument"),
}


def only(name: str) -> Any:
    return pytest.param(name, *CASES[name], id=name)


EACH = pytest.mark.parametrize(("name", "changes", "action", "rule"), [only(name) for name in CASES])


def test_every_line_has_its_case() -> None:
    assert [guard.name for guard in registry.ACTION] == list(CASES)


async def test_a_call_within_everything_is_not_remarked_on(store: Store, tmp_path: Path) -> None:
    bound = await bind(shop(tmp_path), store)
    assert (bound.verdict.action, bound.verdicts, bound.error) == (Action.ALLOW, [], None)


@EACH
async def test_what_a_line_says_is_told_under_its_name(
    store: Store, tmp_path: Path, name: str, changes: dict[str, Any], action: Action, rule: str
) -> None:
    bound = await bind(shop(tmp_path), store, **changes)
    (verdict,) = bound.verdicts
    assert (verdict.guard, verdict.rule, verdict.action, verdict.call) == (name, rule, action, "s")
    assert verdict.reason
    assert bound.verdict.action is action


@EACH
async def test_without_its_line_nobody_says_it(
    store: Store, tmp_path: Path, name: str, changes: dict[str, Any], action: Action, rule: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(registry, "ACTION", tuple(guard for guard in registry.ACTION if guard.name != name))
    bound = await bind(shop(tmp_path), store, **changes)
    assert name not in [verdict.guard for verdict in bound.verdicts]
    if name == "action.arguments":  # the tool can't be called with them all the same
        assert bound.error is not None
    else:
        assert bound.verdict.action is Action.ALLOW


async def test_arguments_that_cannot_be_bound_are_not_judged_further(store: Store, tmp_path: Path) -> None:
    bound = await bind(shop(tmp_path), store, args={"amount": "much"}, nth=9)
    assert [verdict.guard for verdict in bound.verdicts] == ["action.arguments"]
    assert bound.error is not None
    assert bound.error.type is ErrorType.INVALID_ARGUMENTS


async def test_a_person_who_is_asked_sees_every_reason(store: Store, tmp_path: Path) -> None:
    changes = {**plan({"amount": 30, "note": {"$ref": "read.note"}}), "nth": 3}
    bound = await bind(shop(tmp_path), store, **changes)
    assert [verdict.guard for verdict in bound.verdicts] == [
        "action.rule", "action.calls", "action.spending", "action.flow",
    ]  # fmt: skip
    assert bound.verdict.rule.split() == [
        "scope.tools.pay", "scope.actions.pay.calls-in-a-run", "scope.spending.pay.amount.day",
    ]  # fmt: skip
    assert "flow.untrusted-argument" in bound.verdict.reason


@dataclasses.dataclass
class OnSundays:
    """A guardrail of somebody's own."""

    says: Action

    def check(self, called: Called) -> Said:
        return Verdict(action=self.says, rule="sundays.closed", reason="not on a Sunday")


async def test_a_line_of_ones_own_is_asked_about_calls_that_go_by_themselves(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the tool's activity: for them nothing is bound before. It can refuse, and says who it is."""
    bench = Bench(
        agent := shop(tmp_path), store, far := Far(), ToolActivities(Catalogue(agents={"shop": agent}), store)
    )
    mine: Guardrail[Called] = Guardrail("action.sundays", OnSundays(Action.BLOCK).check, ("sundays.",), "Rests.")
    monkeypatch.setattr(registry, "ACTION", (*registry.ACTION, mine))
    _, error = await bench.fails(bench.call("look"))
    assert (error.type, error.guard, error.rule) == (ErrorType.BLOCKED, "action.sundays", "sundays.closed")
    assert far.effects == []
    monkeypatch.setattr(registry, "ACTION", registry.ACTION[:-1])
    assert (await bench.make(bench.call("look"))).error is None


async def test_a_guardrail_that_raises_refuses_and_one_without_a_database_is_tried_again(tmp_path: Path) -> None:
    agent = shop(tmp_path)
    called = Called(agent, agent.tool("pay"), {"amount": 1})

    def raising(error: Exception) -> list[Guardrail[Called]]:
        def check(_: Called) -> Said:
            raise error

        return [Guardrail("action.mine", check, (), "Breaks.")]

    (verdict,) = await judge_call(called, raising(ZeroDivisionError()))
    assert (verdict.action, verdict.rule) == (Action.BLOCK, "action.mine.failed")
    with pytest.raises(OperationalError):
        await judge_call(called, raising(OperationalError("SELECT", {}, OSError("away"))))


def test_nothing_said_allows() -> None:
    assert together([]).action is Action.ALLOW


def test_spending_is_reserved_and_not_looked_at_in_the_activity(tmp_path: Path) -> None:
    agent = shop(tmp_path)
    assert asyncio.run(actions.spending(Called(agent, agent.tool("pay"), {"amount": 99}))) is None


async def test_the_examples_of_the_documentation_work(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "guardrails.md").read_text(encoding="utf-8")
    section = page.partition("## Adding a guardrail")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```", section, re.M | re.S)
    names: dict[str, Any] = {
        "Action": Action, "Answered": Answered, "Asked": Asked, "BindTask": BindTask, "Called": Called,
        "Changed": Changed, "Guardrail": Guardrail, "Verdict": Verdict,
    }  # fmt: skip
    guards = []
    for block in blocks:
        if block.startswith("Guardrail("):
            guards.append(eval(block, names))
        else:
            exec("from __future__ import annotations\n" + block, names)
    questions, hours, promises = guards
    stub = StubAgent()
    assert judge_text(Asked(stub, "?" * 6, RunRequest(request="?")), [questions]).action is Action.BLOCK
    assert judge_text(Asked(stub, "?", RunRequest(request="?")), [questions]).verdicts == ()
    task = RespondTask(run="r", agent="shop", request="?", outcome=Outcome.COMPLETED)
    assert judge_text(Answered(stub, "Soon, tomorrow at the latest.", task), [promises]).text == "Soon,."
    monkeypatch.setattr(registry, "ACTION", (*registry.ACTION, hours))
    agent = shop(tmp_path)
    pay = dataclasses.replace(agent.tools["pay"], name="refund_payment")
    scope = agent.scope.model_copy(update={"tools": {"refund_payment": agent.scope.tools["pay"]}})
    agent = dataclasses.replace(agent, tools={"refund_payment": pay}, scope=scope)
    for hour, action in ((12, Action.ALLOW), (23, Action.ASK)):
        bound = await bind(agent, store, tool="refund_payment", opened_at=NOW.replace(hour=hour))
        assert bound.verdict.action is action
