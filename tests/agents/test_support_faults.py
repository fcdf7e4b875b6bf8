"""Every fault of the companions, as the agent's own clients meet it, and what the far side has done meanwhile.

One process serves all cases; each rule of its plan is for the call that names its case.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from activities.catalogue import Catalogue
from activities.catalogue.loading import LoadedAgent
from activities.injection.enabling import CONSENT, ENABLED_VARIABLE, FAULTS_VARIABLE
from activities.injection.injector import read_journal
from activities.storage import drifts
from activities.storage.migrate import migrate
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.errors import ErrorType, PlangateError
from plangate.tool_context import ToolError
from tests.activities.tool_agent import Bench, Far
from tests.agents.conftest import Companions, MakeContext, running_companions

UNAVAILABLE, LIMITED = ErrorType.UNAVAILABLE, ErrorType.RATE_LIMITED
TO = "rosa.amsel@example.com"


@dataclass(frozen=True)
class Case:
    """A fault, what the client makes of it, and how often the effect has happened then."""

    fault: str
    type: ErrorType | None
    effects: int
    options: tuple[tuple[str, Any], ...] = ()
    wait: float | None = None

    @property
    def name(self) -> str:
        return f"case {self.fault} {dict(self.options)}"


def case(fault: str, type: ErrorType | None, effects: int, wait: float | None = None, **options: Any) -> Case:
    return Case(fault, type, effects, tuple(options.items()), wait)


REFUNDS = [
    case("rate_limited", LIMITED, 0, wait=3.0, retry_after=3),
    case("rate_limited", LIMITED, 0, wait=0.0, retry_after=-3),
    case("rate_limited", LIMITED, 0),
    case("server_error", UNAVAILABLE, 0),
    case("unavailable", UNAVAILABLE, 0, wait=7.0, retry_after=7),
    case("hang", UNAVAILABLE, 0, seconds=0.1),
    case("reset", UNAVAILABLE, 0),
    case("effect_then_timeout", UNAVAILABLE, 1, seconds=0.1),
    case("effect_then_error", UNAVAILABLE, 1),
    case("effect_then_reset", UNAVAILABLE, 1),
    case("drift", ErrorType.RESPONSE_DRIFT, 1, field="amount"),
    case("drift", ErrorType.RESPONSE_DRIFT, 1, drift="retyped", field="amount"),
    case("drift", None, 1, drift="added"),
    case("slow", None, 1, seconds=0.1),
    case("duplicate", None, 1),
]
MAILS = [
    case("rate_limited", UNAVAILABLE, 0),
    case("server_error", UNAVAILABLE, 0),
    case("unavailable", UNAVAILABLE, 0),
    case("rejected", ErrorType.PERMANENT, 0),
    case("hang", UNAVAILABLE, 0, seconds=0.1),
    case("reset", UNAVAILABLE, 0),
    case("effect_then_timeout", UNAVAILABLE, 1, seconds=0.1),
    case("effect_then_error", UNAVAILABLE, 1),
    case("effect_then_reset", UNAVAILABLE, 1),
    case("slow", None, 1, seconds=0.1),
    case("duplicate", None, 2),
]
DEAD = case("dead", UNAVAILABLE, 0, seconds=0.5)

DRIFTS: list[dict[str, Any]] = [
    {"fault": "drift", "drift": how, "field": "amount", "times": 1, "match": {"contains": f"answer {how}"}}
    for how in ("renamed", "retyped", "added")
]


def rule(dependency: str, call: str, case: Case) -> dict[str, Any]:
    about = {"dependency": dependency, "call": call, "fault": case.fault, "times": 1, **dict(case.options)}
    return about | {"match": {"contains": case.name}}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rules = [rule("payments", "refund", each) for each in [*REFUNDS, DEAD]]
    rules += [{"dependency": "payments", "call": "refund", **each} for each in DRIFTS]
    rules += [rule("mail", "send", each) for each in [*MAILS, DEAD]]
    rules.append({"dependency": "mail", "call": "lookup", "fault": "unavailable", "times": 1})
    path = tmp_path_factory.mktemp("faults") / "faults.yaml"
    path.write_text(json.dumps({"faults": rules}))
    return path


@pytest.fixture(scope="module")
def faulty(plan: Path) -> Iterator[Companions]:
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(FAULTS_VARIABLE, str(plan))
            patch.setenv(ENABLED_VARIABLE, CONSENT)
            running = stack.enter_context(running_companions(plan.parent / "companions"))
        yield running


@pytest.fixture
def payments(agent: LoadedAgent) -> Any:
    return agent.module("payments")


@pytest.fixture
def mail(agent: LoadedAgent) -> Any:
    return agent.module("mail")


def refunds(faulty: Companions, case: Case) -> int:
    return sum(made["reason"] == case.name for made in faulty.get("/refunds")["refunds"])


def refunds_again(faulty: Companions) -> bool:
    try:
        return bool(faulty.get("/refunds"))
    except httpx2.ConnectError:
        return False


def attempts(faulty: Companions, key: str) -> int:
    return sum(made["idempotency_key"] == key for made in faulty.get("/attempts")["attempts"])


def messages(faulty: Companions, case: Case) -> int:
    return sum(sent["subject"] == case.name for sent in faulty.get("/messages")["messages"])


@pytest.mark.parametrize("case", REFUNDS, ids=lambda case: case.name)
async def test_a_refund_happens_once(faulty: Companions, context: MakeContext, payments: Any, case: Case) -> None:
    ctx = context(companions=faulty, key=f"pg1-{case.name}")
    if case.type is not None:
        with pytest.raises(PlangateError) as caught:
            await payments.refund(ctx, "1042", 1.0, case.name)
        assert (caught.value.type, getattr(caught.value, "retry_after", None)) == (case.type, case.wait)
        assert refunds(faulty, case) == case.effects
    assert (await payments.refund(ctx, "1042", 1.0, case.name)).amount == 1.0
    assert refunds(faulty, case) == 1
    if case.fault == "duplicate":
        assert attempts(faulty, ctx.idempotency_key) == 2


async def test_a_dead_service_refuses_connections_and_comes_back(
    faulty: Companions, context: MakeContext, payments: Any
) -> None:
    ctx = context(companions=faulty, key="pg1-dead")
    with pytest.raises(ToolError) as reset:
        await payments.refund(ctx, "1042", 1.0, DEAD.name)
    with pytest.raises(ToolError) as refused:
        await payments.refund(ctx, "1042", 1.0, DEAD.name)
    assert (reset.value.type, refused.value.type) == (UNAVAILABLE, ErrorType.NETWORK)
    async with asyncio.timeout(10):
        while not refunds_again(faulty):  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.02)
    await payments.refund(ctx, "1042", 1.0, DEAD.name)
    assert refunds(faulty, DEAD) == 1


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Store]:
    """On SQLite alone: each drift of the plan strikes once."""
    url = f"sqlite:///{tmp_path / 'plangate.db'}"
    await migrate(url)
    async with await Store.open(url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("how", "changed"),
    [
        ("renamed", {("drift", "`amount` is missing"), ("addition", "new: `amount_v2`")}),
        ("retyped", {("drift", "`amount` is now an object, it was a number")}),
        ("added", {("addition", "new: `api_version`")}),
    ],
)
async def test_a_refund_whose_answer_drifted_is_made_once_and_told(
    faulty: Companions, agent: LoadedAgent, books: Store, how: str, changed: set[tuple[str, str]]
) -> None:
    activities = ToolActivities(Catalogue(agents={"support": agent}), books, environ=faulty.environment)
    bench = Bench(agent, books, Far(), activities)
    args = {"order_id": "1042", "amount": 1.0, "reason": f"answer {how}"}
    call = bench.call("refund_payment", args, agent="support", key=f"pg1-drift-{how}")
    call = bench.granted(call)
    if how == "added":
        assert (await bench.make(call)).result is not None
    else:
        error, payload = await bench.fails(call)
        assert (payload.type, error.non_retryable) == (ErrorType.OUTCOME_UNKNOWN, True)
        assert "; ".join(sorted(what for _, what in changed)) in payload.message
        await bench.fails(call, attempt=2)  # a person decides first
    assert await bench.ledger() == [(call.key, "done" if how == "added" else "unknown")]
    assert sum(made["reason"] == args["reason"] for made in faulty.get("/refunds")["refunds"]) == 1
    assert attempts(faulty, call.key) == 1
    seen = await drifts.listed(books)
    assert {(each.dependency, each.tool) for each in seen} == {("payments", "refund_payment")}
    assert {(each.kind, each.what) for each in seen} == changed


@pytest.mark.parametrize("case", MAILS, ids=lambda case: case.name)
async def test_what_became_of_an_email_can_be_found_out(
    faulty: Companions, context: MakeContext, mail: Any, case: Case
) -> None:
    ctx = context(companions=faulty, key=f"pg1-{MAILS.index(case)}")
    if case.type is None:
        await asyncio.to_thread(mail.send, ctx, TO, case.name, "Hello")
    else:
        with pytest.raises(ToolError) as caught:
            await asyncio.to_thread(mail.send, ctx, TO, case.name, "Hello")
        # Never `Network`, which would say that nothing was sent and that nobody needs to look.
        assert caught.value.type is case.type
    assert messages(faulty, case) == case.effects
    with_lookup_fault = MAILS.index(case) == 0
    if with_lookup_fault:
        with pytest.raises(ToolError, match="can't tell"):
            await mail.find(ctx, TO, case.name)
    assert (await mail.find(ctx, TO, case.name) is not None) == (case.effects > 0)


async def test_a_dead_mail_server_refuses_connections(faulty: Companions, context: MakeContext, mail: Any) -> None:
    ctx = context(companions=faulty, key="pg1-dead")
    types = []
    for _ in range(2):
        with pytest.raises(ToolError) as caught:
            await asyncio.to_thread(mail.send, ctx, TO, DEAD.name, "Hello")
        types.append(caught.value.type)
    assert types == [UNAVAILABLE, ErrorType.NETWORK]
    assert httpx2.get(f"{faulty.url}/messages", timeout=5).status_code == 200  # another door


def test_the_journal_has_every_fault(faulty: Companions, plan: Path) -> None:
    struck = [entry["rule"] for entry in read_journal(plan.with_name("faults.yaml.journal"))]
    assert sorted(struck) == list(range(len(json.loads(plan.read_text())["faults"])))


def test_a_plan_that_nobody_enabled_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAULTS_VARIABLE, str(tmp_path / "faults.yaml"))
    with running_companions(tmp_path / "companions") as companions:
        assert companions.environment == {}
        assert companions.process.wait(10) == 2
