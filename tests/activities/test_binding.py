"""What a call's arguments come to, what opens a gate, and what bad input gets."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field
from temporalio.testing import ActivityEnvironment

from activities.binding import BindingActivities, bind_arguments, risk_of
from activities.catalogue import Catalogue
from activities.recording import RecordingActivities
from activities.storage.store import Store
from plangate.approvals import ApprovalDecision, GateStatus, settle
from plangate.errors import ErrorType, PlangateError
from plangate.gating import gate_of
from plangate.policy import Action
from plangate.provenance import Lineage
from plangate.strictjson import digest
from plangate.tasks import BindTask, Bound, Evaluated, EvaluateTask, RecordTask, ScopeEntry
from plangate.toolkit import TOOL_ATTRIBUTE, Tool, tool
from tests.activities.tool_agent import Far, agent_of
from tests.plangate.plan_makers import NOW

TASK = BindTask(
    run="r", agent="shop", step="s", call="s", tool="pay", args={}, key="k", opened_at=NOW,
    deadline=NOW + timedelta(hours=1), risk="money",
)  # fmt: skip
LARGE = "x" * 70_000


@pytest.fixture
def binding(store: Store, tmp_path: Path) -> BindingActivities:
    return BindingActivities(Catalogue(agents={"shop": agent_of(tmp_path, Far())}), store)


async def bind(binding: BindingActivities, args: dict[str, Any], **fields: Any) -> Bound:
    task = TASK.model_copy(update={"args": args, **fields})
    result: Bound = await ActivityEnvironment().run(binding.bind_call, task)
    return result


async def gates(store: Store) -> list[str]:
    async with store.reading() as connection:
        return [row.status for row in await connection.exec_driver_sql("SELECT status FROM approvals")]


async def test_arguments_are_resolved_validated_and_defaulted(binding: BindingActivities, store: Store) -> None:
    scope = {"order": ScopeEntry(value={"total": "12.5"})}
    bound = await bind(binding, {"amount": {"$ref": "order.total"}}, scope=scope)
    assert bound.args == {"amount": 12.5, "how": "fine", "note": "none"}
    assert bound.digest == digest(bound.args)
    assert (bound.verdict.action, bound.summary, bound.risk) == (Action.ALLOW, "Pay 12.5", "money")
    assert await gates(store) == []


@pytest.mark.parametrize(
    ("own", "planned", "told"),
    [
        ("Money leaves.", "None: the owner agreed", "Money leaves; the plan says: None: the owner agreed"),
        ("", "None", "the plan says: None"),
        ("Money leaves.", "", "Money leaves."),
    ],
)
def test_a_plan_does_not_talk_the_risk_away(own: str, planned: str, told: str) -> None:
    tool: Any = SimpleNamespace(settings=SimpleNamespace(risk=own))
    task = TASK.model_copy(update={"risk": planned, "lineage": Lineage()})
    assert risk_of(task, tool) == told


async def test_what_policy_asks_about_opens_its_gate_once(binding: BindingActivities, store: Store) -> None:
    bound = await bind(binding, {"amount": 30})
    assert bound.verdict.action is Action.ASK
    assert bound == await bind(binding, {"amount": 30})
    assert await gates(store) == ["pending"]


async def test_binding_again_does_not_open_a_settled_gate(binding: BindingActivities, store: Store) -> None:
    bound = await bind(binding, {"amount": 30})
    gate = gate_of(TASK, bound, tool_version="v")
    settled = settle(gate, ApprovalDecision(digest=bound.digest, by="kim"), now=NOW)
    await ActivityEnvironment().run(RecordingActivities(store).record, RecordTask(run="r", gates=[settled]))
    await bind(binding, {"amount": 30})
    assert await gates(store) == [GateStatus.APPROVED.value]


async def test_an_edit_is_judged_and_records_nothing(binding: BindingActivities, store: Store) -> None:
    gate = gate_of(TASK, await bind(binding, {"amount": 30}), tool_version="v").model_copy(update={"id": "r/edit"})
    edited = await bind(binding, {"amount": 40}, gate=gate)
    assert (edited.args["amount"], edited.problems, edited.verdict.action) == (40.0, [], Action.ASK)
    assert len(await gates(store)) == 1


@pytest.mark.parametrize("amount", [5, 30])
async def test_an_edit_too_large_to_be_seen_is_refused(binding: BindingActivities, store: Store, amount: float) -> None:
    """Whatever policy says: its arguments would have to be stored under a key that an edit doesn't have."""
    gate = gate_of(TASK, await bind(binding, {"amount": 30}), tool_version="v")
    edited = await bind(binding, {"amount": amount, "note": LARGE}, gate=gate, key="")
    assert "larger than 64 KiB" in edited.problems[0]
    assert await store.load_results([":args"]) == {}


async def test_large_arguments_run_by_reference_only_when_nobody_is_asked(
    binding: BindingActivities, store: Store
) -> None:
    bound = await bind(binding, {"amount": 5, "note": LARGE})
    assert (bound.args, bound.args_key) == ({}, "k:args")
    stored = (await store.load_results(["k:args"]))["k:args"]
    assert bound.digest == digest(stored)
    asked = await bind(binding, {"amount": 30, "note": LARGE})
    assert asked.error is not None
    assert asked.error.type is ErrorType.INVALID_ARGUMENTS
    assert await gates(store) == []


@pytest.mark.parametrize(
    ("fields", "type", "words"),
    [
        ({"args": {"amount": "much", "nte": 1}}, ErrorType.INVALID_ARGUMENTS, "amount: "),
        ({"args": {}}, ErrorType.INVALID_ARGUMENTS, "amount: Field required"),
        ({"args": {"amount": float("nan")}}, ErrorType.INVALID_ARGUMENTS, "JSON"),
        ({"args": {"amount": {"$ref": "nobody.x"}}}, ErrorType.UNRESOLVED_REFERENCE, "leads to nothing"),
        ({"args": {"amount": {"$ref": 5}}}, ErrorType.UNRESOLVED_REFERENCE, "and no more"),
        ({"args": {"amount": {"$ref": "a[::0]"}}}, ErrorType.UNRESOLVED_REFERENCE, "leads to nothing"),
        ({"args": {}, "scope": {"a": ScopeEntry(stored="gone")}}, ErrorType.UNRESOLVED_REFERENCE, "cleaned up"),
        ({"args": {}, "tool": "pya"}, ErrorType.UNKNOWN_TOOL, "did you mean 'pay'"),
        ({"args": {}, "agent": "shpo"}, ErrorType.UNKNOWN_AGENT, "did you mean 'shop'"),
    ],
)
async def test_what_cannot_be_bound_is_told_at_once(
    binding: BindingActivities, fields: dict[str, Any], type: ErrorType, words: str
) -> None:
    """Not raised: Temporal would try a local activity again for minutes."""
    bound = await bind(binding, **fields)
    assert bound.error is not None
    assert bound.error.type is type
    assert words in "; ".join([bound.error.message, *bound.problems])
    assert bound.verdict.action is Action.BLOCK


def with_parameter(hint: Any) -> Tool:
    def made(value: Any) -> None:
        """Make."""

    made.__annotations__ = {"value": hint, "return": type(None)}
    return getattr(tool(effect="read")(made), TOOL_ATTRIBUTE)  # type: ignore[no-any-return]


def test_a_validator_that_breaks_is_a_bug_of_the_agent() -> None:
    def broken(value: str) -> str:
        raise KeyError(value)

    with pytest.raises(PlangateError) as caught:
        bind_arguments(with_parameter(Annotated[str, AfterValidator(broken)]), {"value": "x"})
    assert caught.value.type is ErrorType.BUG
    assert "KeyError" in caught.value.message


def test_mistakes_are_named_up_to_a_bound() -> None:
    with pytest.raises(PlangateError) as caught:
        bind_arguments(with_parameter(list[int]), {"value": ["x"] * 10_000})
    assert caught.value.details[0].startswith("value.0: ")
    assert len(caught.value.details) == 50


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Annotated[str, Field(alias="from")], {"from": "x"}),
        (float, {"value": 30}),
        (dict[str, Any], {"value": {"b": [1, None], "a": 2.5}}),
        (str | None, {"value": None}),
    ],
    ids=["alias", "float", "dict", "none"],
)
def test_bound_arguments_bind_to_themselves(hint: Any, value: dict[str, Any]) -> None:
    """What is approved is bound once more by the activity, and has to have the same digest."""
    made = with_parameter(hint)
    bound = bind_arguments(made, value)
    sent = json.loads(json.dumps(bound))
    assert digest(bind_arguments(made, sent)) == digest(bound)


async def evaluate(binding: BindingActivities, expression: str, **scope: ScopeEntry) -> Evaluated:
    task = EvaluateTask(run="r", step="s", expression=expression, scope=scope, key="k:list")
    result: Evaluated = await ActivityEnvironment().run(binding.evaluate, task)
    return result


async def put(store: Store, key: str, value: Any) -> None:
    await store.put_result(key=key, run="r", step="s", call="s", value_json=json.dumps(value))


async def test_expressions_see_stored_results(binding: BindingActivities, store: Store) -> None:
    await put(store, "one", {"items": [1, 2, 3], "none": []})
    one = ScopeEntry(stored="one")
    assert (await evaluate(binding, "a.items", a=one)).items == 3
    found = await evaluate(binding, "a.items[1:]", a=one)
    assert found.result is not None
    assert (found.result.value, found.truth) == ([2, 3], True)
    assert (await evaluate(binding, "a.none", a=one)).truth is False
    assert (await evaluate(binding, "length(a.items) > `5`", a=one)) == Evaluated(truth=False)
    element = ScopeEntry(stored="list", index=1)
    await put(store, "list", [{"id": 7}, {"id": 8}])
    assert (await evaluate(binding, "[item.id]", item=element)).result == found.result.model_copy(
        update={"value": [8], "size": 3}
    )


async def test_stored_items_keep_their_order_their_gaps_and_peoples_answers(
    binding: BindingActivities, store: Store
) -> None:
    await put(store, "one", "first")
    entry = ScopeEntry(stored=["one", "", None, "one"], given={1: "a person said"})
    found = await evaluate(binding, "[to_string(a)]", a=entry)
    assert found.result is not None
    assert json.loads(found.result.value[0]) == ["first", "a person said", None, "first"]


async def test_a_large_list_is_stored(binding: BindingActivities, store: Store) -> None:
    await put(store, "one", {"items": ["x" * 1000] * 100})
    found = await evaluate(binding, "a.items", a=ScopeEntry(stored="one"))
    assert found.result is not None
    assert (found.items, found.result.inline, found.result.key, found.result.value) == (100, False, "k:list", None)
    assert len((await store.load_results(["k:list"]))["k:list"]) == 100


@pytest.mark.parametrize("expression", ["a[::0]", "[to_number('nan')]", "keys(a)"])
async def test_a_fault_in_an_expression_is_told_at_once(binding: BindingActivities, expression: str) -> None:
    found = await evaluate(binding, expression, a=ScopeEntry(value=[1]))
    assert found.error is not None
    assert found.error.type is ErrorType.UNRESOLVED_REFERENCE


async def test_a_lone_surrogate_has_a_size(binding: BindingActivities) -> None:
    found = await evaluate(binding, "[a]", a=ScopeEntry(value="\ud800"))
    assert found.items == 1
