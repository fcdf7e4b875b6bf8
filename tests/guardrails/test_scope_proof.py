"""The scope from end to end: what is outside never acts, and a line of the file changes what happens.

Requests go the way that a run's go, through `admit` and `make_plan`, with the example agent and the offline model over
HTTP.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.admission import AdmissionActivities
from activities.catalogue import Catalogue, LoadedAgent
from activities.guardrails.forecasting import Forecasts
from activities.models import ModelClient
from activities.models.settings import ModelAccessSettings
from activities.planning import PlanningActivities
from activities.storage.migrate import migrate
from activities.storage.store import Store
from plangate.policy import Action
from plangate.runs import RunRequest
from plangate.tasks import PlanTask
from plangate.tool_policy import Effect
from tests.activities.model_fixtures import MemoryStore, environment
from tests.guardrails.corpora.off_topic import off_topic
from tests.guardrails.corpora.on_topic import IN_SCOPE
from tests.guardrails.corpora.worlds import ROOT, support
from tests.guardrails.test_scoping import edited
from workers.check.plans import check_plan_file
from workers.offline_model.server import ServerSettings
from workers.offline_model.testing import serving

CUSTOMER = "marguerite.sund@example.com"


class Way:
    """The way of a request: what becomes of it, and how many model calls it costs."""

    def __init__(self, agent: LoadedAgent, store: Store, client: ModelClient, usage: MemoryStore) -> None:
        catalogue = Catalogue(agents={agent.name: agent}, broken={})
        self._admission = AdmissionActivities(catalogue, store, Forecasts(client.settings))
        self._planning = PlanningActivities(catalogue, client, usage)
        self._usage = usage

    @property
    def calls(self) -> int:
        return len(self._usage.usage)

    async def go(self, text: str) -> tuple[str, list[Effect]]:
        """What becomes of it: `refused`, or the planner's action; and the effects of the planned tools."""
        request = RunRequest(agent="support", request=text, user=CUSTOMER)
        admitted = await environment().run(self._admission.admit, request)
        if admitted.verdict.action is Action.BLOCK:
            assert admitted.message
            return "refused", []
        text = admitted.request or text
        task = PlanTask(run="run-1", agent="support", request=text, user=CUSTOMER, today="2026-11-20")
        outcome = await environment().run(self._planning.make_plan, task)
        tools = support().policies
        steps = outcome.plan.steps if outcome.plan else []
        return outcome.action, [tools[step.tool].effect for step in steps]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path}/plangate.db"
    await migrate(url)
    async with await Store.open(url) as store:
        yield store


@asynccontextmanager
async def opened(agent: LoadedAgent, store: Store) -> AsyncIterator[Way]:
    usage = MemoryStore()
    with serving(ServerSettings(agents=(ROOT / "agents",))) as url:
        settings = ModelAccessSettings(api_key=SecretStr("none"), base_url=url, timeout_seconds=20)
        async with ModelClient(settings, usage) as client:
            yield Way(agent, store, client, usage)


async def test_what_is_out_of_scope_never_acts_and_what_is_in_scope_is_planned(store: Store) -> None:
    outside = [sample.text for sample in off_topic(21)]
    assert (len(outside) >= 60, len(set(IN_SCOPE)) >= 30) == (True, True)
    async with opened(support(), store) as way:
        ends: Counter[str] = Counter()
        acts, looks = [], []
        for text in outside:
            end, effects = await way.go(text)
            ends[end] += 1
            acts += [text for effect in effects if effect is Effect.CONSEQUENTIAL]
            looks += [text] * bool(effects)
        assert acts == []
        assert len(looks) <= 0.02 * len(outside), looks
        assert ends["refused"] >= 0.8 * len(outside)
        assert way.calls == len(outside) - ends["refused"], "what is refused costs no call of a model"
        within = [(text, *await way.go(text)) for text in IN_SCOPE]
    assert [text for text, end, _ in within if end == "refused"] == []
    assert sum(end == "plan" for _, end, _ in within) >= 0.9 * len(IN_SCOPE)
    acted = sum(Effect.CONSEQUENTIAL in effects for _, _, effects in within)
    assert acted >= 12, "the same way acts on what is in scope: the count above is no accident"


async def test_a_new_line_declines_what_was_planned_before(store: Store, tmp_path: Path) -> None:
    row = next(line for line in support().scope.text.splitlines() if line.startswith("| Chat and the world"))
    new = "| Kettles | descal*, cast-iron | We have stopped selling kettles. |"
    # A word of what the agent is for lets a request go on to the planner, so the line names no such word.
    question = "How is descaling done?"
    async with opened(support(), store) as way:
        assert (await way.go(question))[0] != "refused"
        assert way.calls == 1
    async with opened(edited(tmp_path, (row, f"{row}\n{new}")), store) as way:
        assert await way.go(question) == ("refused", [])
        assert way.calls == 0


REFUND = {"tool": "refund_payment", "args": {"order_id": "1042", "amount": 10, "reason": "it arrived broken"}}
MAIL = {"tool": "send_email", "args": {"to": CUSTOMER, "subject": "Hello", "body": "Your teapot is on its way."}}
CANCEL = {"tool": "cancel_order", "args": {"order_id": "1042", "reason": "changed their mind"}}
BY_ITSELF = "by itself when amount is under 25, otherwise asks first"
LINES: list[tuple[str, str, dict[str, Any], str, str]] = [
    (BY_ITSELF, "asks first", REFUND, "allow", "ask"),
    (BY_ITSELF, "by itself when amount is under 5, otherwise asks first", REFUND, "allow", "ask"),
    ("left the shop | asks first | never order_id", "left the shop | never | never order_id", CANCEL, "ask", "mistake"),
    ("| amount | at most £500 | never |", "| amount | at most £5 | never |", REFUND, "allow", "block"),
    ("| amount | at most £500 | never |", "| amount | at most £5 | asks the desk |", REFUND, "allow", "ask"),
    ("allowed for it | by itself |", "allowed for it | drafts it, a person does it |", MAIL, "allow", "draft"),
    ("| body | at most 4,000 characters | never |", "| body | at most 10 characters | never |", MAIL, "allow", "block"),
    ("| Steps in a plan | 12 steps |", "| Steps in a plan | 1 step |", REFUND, "allow", "mistake"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "call", "before", "after"), LINES)
def test_a_changed_line_changes_what_may_be_done(
    old: str, new: str, call: dict[str, Any], before: str, after: str, tmp_path: Path
) -> None:
    look = {"id": "order", "tool": "get_order", "args": {"order_id": "1042"}}
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"goal": "x", "steps": [look, {"id": "act", "risk": "none", **call}]}))
    assert said_of(plan, support()) == before
    assert said_of(plan, edited(tmp_path, (old, new))) == after


def said_of(plan: Path, agent: LoadedAgent) -> str:
    """What `plangate check --plan` says of the step `act`."""
    request = RunRequest(agent="support", request=f"Order 1042 of {CUSTOMER} arrived broken.", user=CUSTOMER)
    found = check_plan_file(str(plan), agent, request, ModelAccessSettings())
    if found.problems:
        return "mistake"
    (step,) = (each for each in found.steps if each.step.id == "act")
    return step.verdict.action.value
