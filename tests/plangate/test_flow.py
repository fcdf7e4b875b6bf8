"""Where values come from, and which calls a person has to see for it. Each rule fails here when it is taken out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from plangate.agents import ScopeTool
from plangate.approvals import ApprovalRequest, GateStatus
from plangate.flow import REVISED, UNNAMED, UNTRUSTED, Flow, FlowRules, flow_rules
from plangate.lineage import Memory, lineage_of, plain_lineage
from plangate.plans import Plan
from plangate.policy import Action, Rule, Verdict
from plangate.provenance import Origin, Provenance
from plangate.runs import CallState, CallStatus, RunRequest, RunState, StepState, StepStatus
from plangate.tool_context import ToolContext
from plangate.toolkit import TOOL_ATTRIBUTE, tool
from tests.plangate.plan_makers import NOW

REQUEST = RunRequest(agent="shop", request="Please refund order 1042 and write to rosa@example.com.", user="rosa")


@tool(effect="read", returns="trusted", targets={"number"})
def order(number: str) -> dict[str, Any]:
    """Look an order up."""
    return {}


@tool(effect="read", returns="document")
def search(query: str) -> dict[str, list[str]]:
    """Search."""
    return {}


@tool(effect="read")
def page(url: str) -> str:
    """Read a page."""
    return ""


@tool(effect="consequential", idempotency="key", returns="trusted", targets={"number"})
def refund(number: str, amount: float, reason: str = "") -> float:
    """Refund."""
    return amount


@tool(effect="consequential", idempotency="key", targets={"to"})
def mail(ctx: ToolContext, to: str, body: str) -> None:
    """Mail."""


ACCEPTS: dict[str, tuple[list[str], list[str]]] = {"mail": (["body"], ["to"]), "page": ([], ["url"])}
ORDER_SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "pattern": "^[0-9]{4,8}$"},
        "email": {"type": "string", "pattern": r'^[^@\s<>,;:"]{1,64}@[^@\s<>,;:"]+$'},
        "name": {"type": "string"},
        "total": {"type": "number"},
        "state": {"enum": ["sent", "here"]},
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "price": {"type": "number"}}},
        },
    },
}


def _rules() -> dict[str, FlowRules]:
    from plangate.shapes import shape_of

    found = {}
    for function in (order, search, page, refund, mail):
        each = getattr(function, TOOL_ATTRIBUTE)
        accepts, never = ACCEPTS.get(each.name, ([], []))
        entry = ScopeTool(name=each.name, rule=Rule(then=Action.ALLOW), accepts=accepts, never=never)
        found[each.name] = flow_rules(each, entry)
    returns = getattr(order, TOOL_ATTRIBUTE).settings.returns
    shape = lambda step: shape_of(ORDER_SCHEMA, returns, tool="order", root=step)  # noqa: E731
    found["order"] = FlowRules(effect=found["order"].effect, shape=shape, targets=found["order"].targets)
    return found


RULES = _rules()
LOOK = {"id": "o", "tool": "order", "args": {"number": "1042"}}


def judged(*steps: dict[str, Any], request: RunRequest = REQUEST) -> tuple[Verdict, dict[str, Provenance]]:
    """What is said of the last of these steps."""
    plan = Plan.model_validate({"steps": list(steps)})
    step = plan.steps[-1]
    verdict, found = Flow(RULES, plain_lineage(plan, step, step.args, request)).judge(step.tool, step.args)
    return verdict, {each.argument: each for each in found}


def pay(amount: Any = 5, number: Any = "1042", **more: Any) -> dict[str, Any]:
    return {"id": "p", "tool": "refund", "args": {"number": number, "amount": amount}, **more}


def write(to: Any = "rosa@example.com", body: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"id": "m", "tool": "mail", "args": {"to": to, "body": body}, **more}


def ref(expression: str) -> dict[str, str]:
    return {"$ref": expression}


@pytest.mark.parametrize(
    "steps",
    [
        [pay()],
        [LOOK, pay(ref("o.total"))],
        [LOOK, pay(ref("o.items[0].price"))],
        [LOOK, pay(ref("o.items[?price > `3`] | [0].price"))],
        [LOOK, pay(ref("max_by(o.items, &price).price"), ref("o.number"))],
        [LOOK, pay(when="o.state == 'here' && o.total > `3`")],
        [LOOK, write(ref("o.email"), ref("join(' ', ['Dear', o.name])"))],
        [{"id": "s", "tool": "search", "args": {"query": "x"}}, write(body=ref("s.passages[0]"))],
        [pay(ref("input.amount"), ref("input.order"))],
        [LOOK, {"id": "q", "tool": "order", "args": {"number": ref("o.number")}}, pay(number=ref("q.number"))],
    ],
    ids=str,
)
def test_what_the_request_leads_to_goes_by_itself(steps: list[dict[str, Any]]) -> None:
    assert judged(*steps)[0].action is Action.ALLOW


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ([LOOK, pay(ref("o.name"))], UNTRUSTED),
        ([LOOK, pay(ref("o.nothing_known"))], UNTRUSTED),
        ([LOOK, pay(ref("o.items[?contains(name, 'Wren')] | [0].price"))], UNTRUSTED),
        ([LOOK, pay(ref("max_by(o.items, &name).price"))], UNTRUSTED),
        ([LOOK, pay(ref("(contains(o.name, 'Rosa') && `5`) || `24`"))], UNTRUSTED),
        ([LOOK, pay(ref("to_number(o.name)"))], UNTRUSTED),
        ([LOOK, pay(ref("values(o)[0]"))], UNTRUSTED),
        ([LOOK, pay(when="contains(o.name, 'refund')")], UNTRUSTED),
        ([LOOK, pay(for_each="o.items[?name]")], UNTRUSTED),
        ([{"id": "w", "tool": "page", "args": {"url": "u"}}, pay(ref("w"))], UNTRUSTED),
        ([LOOK, {"id": "q", "tool": "order", "args": {"number": ref("o.name")}}, pay(ref("q.total"))], UNTRUSTED),
        ([LOOK, {**LOOK, "id": "q", "fallback": {"value": ref("o.name")}}, pay(ref("q"))], UNTRUSTED),
        (
            [LOOK, {**LOOK, "id": "q", "fallback": {"tool": "page", "args": {"url": "x"}}}, pay(ref("q.total"))],
            UNTRUSTED,
        ),
        ([pay(number="1043")], UNNAMED),
        ([pay(number="104")], UNNAMED),
        ([pay(number=ref("join('', ['10', '42'])"))], UNNAMED),
        ([pay(number=ref("'1043'"))], UNNAMED),
        ([{**LOOK, "args": {"number": "1043"}}, pay(number=ref("o.number"))], UNNAMED),
        ([{**LOOK, "args": {"number": "1043"}}, write(ref("o.email"))], UNNAMED),
        ([write("rosa@example.co")], UNNAMED),
        ([write("osa@example.com")], UNNAMED),
        ([write("rоsa@example.com")], UNNAMED),
        ([LOOK, write(ref("join('', [o.number, o.email])"))], UNNAMED),
        ([LOOK, write(ref("o.email || 'kim@example.com'"))], UNNAMED),
        ([LOOK, write(ref("reverse(o.email)"))], UNNAMED),
        ([write(ref("item"), for_each='`["kim@example.com"]`')], UNNAMED),
        ([{**LOOK, "fallback": {"value": {"email": "kim@example.com"}}}, write(ref("o.email"))], UNNAMED),
    ],
    ids=str,
)
def test_what_others_wrote_or_nobody_named_is_asked_about(steps: list[dict[str, Any]], rule: str) -> None:
    verdict, _ = judged(*steps)
    assert (verdict.action, verdict.rule) == (Action.ASK, rule)


@pytest.mark.parametrize("steps", [
    [LOOK, write(ref("o.name"))],
    [LOOK, {"id": "w", "tool": "page", "args": {"url": ref("o.name")}}],
])  # fmt: skip
def test_an_argument_that_is_closed_to_others_is_refused_of_any_tool(steps: list[dict[str, Any]]) -> None:
    verdict, _ = judged(*steps)
    assert (verdict.action, verdict.rule) == (Action.BLOCK, UNTRUSTED)
    assert "may never hold text of others" in verdict.reason


def test_the_provenance_names_step_tool_and_field() -> None:
    _, found = judged(LOOK, pay(ref("o.total"), when="o.name"))
    amount = found["amount"].sources
    assert [(each.origin, each.trusted, each.tool, each.path) for each in amount] == [
        (Origin.TOOL, True, "order", "o.total")
    ]
    assert found["number"].words == "the plan; the request names it"
    assert not found["when"].trusted
    assert found["when"].words == "o.name (order)"


def revised(
    *later: dict[str, Any],
    first: list[dict[str, Any]],
    request: RunRequest = REQUEST,
    ended: CallStatus = CallStatus.FAILED,
) -> Verdict:
    """What is said of the last step of a revision, made after the first plan's effects ended so, its reads well."""
    plan = Plan.model_validate({"steps": [*first, *later]})
    steps = {
        each["id"]: StepState(
            id=each["id"],
            status=StepStatus.DONE,
            calls=[
                CallState(
                    id=each["id"], tool=each["tool"], status=CallStatus.DONE if each["tool"] == "order" else ended
                )
            ],
        )
        for each in first
    }
    steps |= {each["id"]: StepState(id=each["id"], revision=1) for each in later}
    state = RunState(
        request=request, started_at=NOW, plan=plan, steps=steps, revision=1,
        first_plan=Plan.model_validate({"steps": first}),
    )  # fmt: skip
    step = plan.steps[-1]
    return Flow(RULES, lineage_of(state, step, step.tool, step.args, memory=Memory())).judge(step.tool, step.args)[0]


def test_a_revision_after_text_of_others_adds_no_consequential_tool() -> None:
    assert revised(pay(), first=[LOOK]).rule == REVISED
    assert revised(pay(), first=[LOOK, {**pay(), "id": "before"}]).action is Action.ALLOW


def test_a_revision_after_text_of_others_adds_no_recipient_and_no_amount() -> None:
    first = [LOOK, {**write(), "id": "before"}, {**pay(5), "id": "paid"}]
    assert revised(write("eve@example.com"), first=first).rule in (REVISED, UNNAMED)
    assert revised(write(), first=first).action is Action.ALLOW
    assert revised(pay(24), first=first).rule == REVISED
    assert revised(pay(5), first=first).action is Action.ALLOW


@pytest.mark.parametrize(
    "later",
    [
        [pay(ref("`24`"))],
        [pay(ref("{a: `24`}.a"))],
        [pay(ref("o.total || `24`"))],
        [pay(ref("item"), for_each="`[24]`")],
        [pay(for_each="`[1, 2, 3]`")],
        [pay(number=ref("'2007'"))],
        [{**pay(), "id": "x"}, pay()],
        [{"id": "p", "tool": "refund", "args": {"number": "1042", "amount": 5, "reason": "because"}}],
        [{"id": "p", "tool": "refund", "args": {"number": "1042"}}],
    ],
    ids=str,
)
def test_a_revision_adds_nothing_by_an_expression_by_a_list_or_by_doing_it_again(later: list[dict[str, Any]]) -> None:
    first = [LOOK, {**pay(), "id": "before"}]
    assert revised(pay(), first=first).action is Action.ALLOW
    assert revised(*later, first=first).rule == REVISED


@pytest.mark.parametrize("ended", [CallStatus.DONE, CallStatus.REJECTED, CallStatus.CANCELLED])
def test_what_is_done_or_refused_a_revision_does_not_do_again(ended: CallStatus) -> None:
    first = [LOOK, {**pay(), "id": "before"}]
    assert revised(pay(), first=first, ended=ended).rule == REVISED
    assert revised(pay(), first=[*first, {**pay(), "id": "once_more"}], ended=CallStatus.FAILED).action is Action.ALLOW


def test_a_revision_keeps_to_whole_calls_of_the_first_plan_and_to_their_conditions() -> None:
    two = [LOOK, {**pay(5), "id": "small"}, {**pay(24, "2007"), "id": "large"}]
    request = RunRequest(agent="shop", request="Refund 1042 and 2007", user="rosa")
    assert revised(pay(24), first=two, request=RunRequest(agent="shop", request="Refund it")).rule == REVISED
    assert revised(pay(5), first=two, request=request).action is Action.ALLOW
    told = [LOOK, {**pay(), "id": "before", "when": "o.state == 'here'"}]
    assert revised(pay(when="o.state == 'here'"), first=told).action is Action.ALLOW
    assert revised(pay(), first=told).rule == REVISED
    assert revised(pay(when="o.state == 'sent'"), first=told).rule == REVISED


SEEN = {"id": "s", "tool": "search", "args": {"query": "x"}}
PERHAPS = {**LOOK, "id": "g", "when": "contains(s.passages[0], 'pay')"}


@pytest.mark.parametrize(
    "steps",
    [
        [PERHAPS, pay(ref("g.total"))],
        [PERHAPS, pay(when="g.total > `3`")],
        [PERHAPS, pay(when="!g")],
        [PERHAPS, {**LOOK, "id": "h", "args": {"number": ref("g.number")}}, pay(after=["h"])],
        [PERHAPS, {**LOOK, "id": "h", "after": ["g"], "when": "g.total > `3`"}, pay(ref("h.total"))],
        [PERHAPS, pay(fallback={"value": ref("g.total")})],
        [pay(for_each="map(&`5`, s.passages)")],
        [pay(for_each="s.passages[].{a: `1`}")],
        [pay(ref("s.passages[].[`24`] | [0][0] || `5`"))],
        [pay(ref("s.passages[0].{a: `24`}.a || `5`"))],
        [{**LOOK, "id": "g", "for_each": "s.passages"}, pay(ref("sum(g[].total)"))],
        [{**LOOK, "id": "g", "for_each": "s.passages"}, pay(ref("length(g[].total)"))],
    ],
    ids=str,
)
def test_text_of_others_decides_neither_whether_nor_how_often_nor_how_much(steps: list[dict[str, Any]]) -> None:
    verdict, _ = judged(SEEN, *steps)
    assert (verdict.action, verdict.rule) == (Action.ASK, UNTRUSTED)


@pytest.mark.parametrize(
    "steps",
    [
        [PERHAPS, pay(after=["g"])],
        [{**LOOK, "id": "g", "when": "o.total > `3`"}, pay(ref("g.total"))],
        [{**LOOK, "id": "g", "for_each": "o.items"}, pay(ref("sum(g[].total)"))],
        [pay(ref("sum(o.items[].price)"))],
        [pay(ref("o.{a: total}.a"))],
    ],
    ids=str,
)
def test_what_it_does_not_decide_goes_by_itself(steps: list[dict[str, Any]]) -> None:
    assert judged(SEEN, LOOK, *steps)[0].action is Action.ALLOW


def test_text_of_others_does_not_make_a_call_fail_so_that_another_is_made() -> None:
    for number, action in ((ref("s.passages[0]"), Action.ASK), ("1042", Action.ALLOW)):
        step = {**LOOK, "id": "g", "args": {"number": number}, "fallback": {"tool": "refund", "args": pay()["args"]}}
        plan = Plan.model_validate({"steps": [SEEN, step]})
        args = plan.steps[-1].fallback.args  # type: ignore[union-attr]
        lineage = plain_lineage(plan, plan.steps[-1], args, REQUEST)
        assert Flow(RULES, lineage).judge("refund", args)[0].action is action


def test_a_tools_own_argument_called_when_opens_no_condition() -> None:
    rules = {**RULES, "refund": dataclasses.replace(RULES["refund"], accepts=frozenset({"when", "for_each"}))}
    plan = Plan.model_validate({"steps": [SEEN, pay(when="s.passages[0]")]})
    step = plan.steps[-1]
    assert Flow(rules, plain_lineage(plan, step, step.args, REQUEST)).judge("refund", step.args)[0].rule == UNTRUSTED


def test_more_guards_than_are_kept_count_as_text_of_others() -> None:
    chain = [{**LOOK, "id": "g0", "when": "o.total > `0`"}]
    chain += [{**LOOK, "id": f"g{n}", "when": f"g{n - 1}.total > `0`"} for n in range(1, 150)]
    assert judged(LOOK, *chain[:50], pay(ref("g49.total")))[0].action is Action.ALLOW
    assert judged(LOOK, *chain, pay(ref("g149.total")))[0].rule == UNTRUSTED


def test_a_revision_after_nothing_but_trusted_numbers_is_like_the_first_plan() -> None:
    paid = {"id": "before", "tool": "refund", "args": {"number": "1042", "amount": 1}}
    assert revised(pay(2), first=[paid]).action is Action.ALLOW


def test_what_a_person_approved_is_trusted_afterwards() -> None:
    for paying, answered in ((pay(ref("o.name")), Action.ASK), ({**pay(1), "when": "o.name"}, Action.ALLOW)):
        _trusted_afterwards(paying, answered)


def _trusted_afterwards(paying: dict[str, Any], answered: Action) -> None:
    """Who answers in a tool's place has seen what decides whether it is done; its arguments are as they were."""
    plan = Plan.model_validate({"steps": [LOOK, paying, write(body="x", when="p > `0`")]})
    gate = ApprovalRequest(
        id="r/p", run="r", call="p", step="p", tool="refund", digest="d", opened_at=NOW, deadline=NOW
    )
    state = RunState(
        request=REQUEST, started_at=NOW, plan=plan, steps={"p": StepState(id="p", calls=[CallState(id="p")])}
    )
    step = plan.steps[-1]
    for status, action in (
        (GateStatus.PENDING, Action.ASK),
        (GateStatus.RESPONDED, answered),
        (GateStatus.APPROVED, Action.ALLOW),
    ):
        state.gates["p"] = gate.model_copy(update={"status": status})
        flow = Flow(RULES, lineage_of(state, step, step.tool, step.args, memory=Memory()))
        assert flow.judge(step.tool, step.args)[0].action is action


@pytest.mark.parametrize(
    ("text", "literal", "named"),
    [
        ("order #1042, please", "1042", True),
        ("order 1042.", "1042", True),
        ("order TP-1042", "1042", True),
        ("order 10423", "1042", False),
        ("it cost 1042.50", "1042", False),
        ("write to rosa@example.com.", "rosa@example.com", True),
        ("write to <rosa@example.com>", "Rosa@example.com", True),
        ("write to x.rosa@example.com", "rosa@example.com", False),
        ("write to -rosa@example.com", "rosa@example.com", False),
        ("write to rosa@example.com.evil.example", "rosa@example.com", False),
        ("refund £62.00", 62.0, True),
        ("refund £1,062.00", 1062, True),
        ("refund £62.00", 6, False),
        ("write to ROSA@example.com", "rosa@Example.com", True),
        ("write to MÜLLER@example.com", "müller@example.com", True),
        ("write to rosa@example.com", "ro\u017fa@example.com", False),
        ("write to kim@example.com", "\u212aim@example.com", False),
        ("write to kim@masse.example", "kim@ma\u00dfe.example", False),
        ("write to kim@fish.example", "kim@\ufb01sh.example", False),
        ("order 1042", "\u0661\u0660\u0664\u0662", False),
    ],
)
def test_a_name_counts_where_it_stands_alone(text: str, literal: Any, named: bool) -> None:
    from plangate.naming import named_literals

    assert bool(named_literals([literal], RunRequest(request=text))) is named


def test_a_chain_of_references_is_followed_in_linear_time_and_a_circle_ends() -> None:
    chain = [LOOK] + [
        {"id": f"s{n}", "tool": "order", "args": {"number": ref(f"{'o' if n == 0 else f's{n - 1}'}.number")}}
        for n in range(190)
    ]
    assert judged(*chain, pay(number=ref("s189.number")))[0].action is Action.ALLOW
    longer = [*chain, {"id": "x", "tool": "order", "args": {"number": ref("s189.number")}}]
    longer += [
        {"id": f"y{n}", "tool": "order", "args": {"number": ref(f"{'x' if n == 0 else f'y{n - 1}'}.number")}}
        for n in range(30)
    ]
    assert judged(*longer, pay(number=ref("y29.number")))[0].action is not Action.ALLOW
    circle = [
        {"id": "a", "tool": "order", "args": {"number": ref("b.number")}},
        {"id": "b", "tool": "order", "args": {"number": ref("a.number")}},
    ]
    assert judged(*circle, pay(number=ref("a.number")))[0].action is not Action.ALLOW


def test_who_asks_leads_to_themselves_and_not_to_one_of_their_many_things() -> None:
    """`[0]` is the planner's choice: a request about another order has nothing to do with it."""
    mine = {"id": "o", "tool": "order", "args": {"number": "rosa@example.com"}}
    for text, action in (("Where is order 77?", Action.ASK), ("I am rosa@example.com. Refund it.", Action.ALLOW)):
        request = RunRequest(agent="shop", request=text, user="rosa@example.com")
        assert judged(mine, pay(number=ref("o.items[0].price")), request=request)[0].action is action
        assert judged(mine, write(ref("o.email")), request=request)[0].action is Action.ALLOW
        assert judged(write("rosa@example.com"), request=request)[0].action is Action.ALLOW
