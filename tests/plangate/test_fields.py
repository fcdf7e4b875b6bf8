"""References to fields that no result can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, TypeAdapter, computed_field
from typing_extensions import TypedDict

from plangate import expressions
from plangate.agents import Limits
from plangate.plans import Step
from plangate.result_forms import OPEN, form_of_schema, form_of_type
from tests.plangate.plan_makers import check, mistakes, step


class Item(BaseModel):
    sku: str
    price: float


class Address(BaseModel):
    city: str


class Order(BaseModel):
    id: str
    items: list[Item]
    address: Address | None = None
    labels: dict[str, Item] = {}
    extra: Any = None
    raw: dict[str, Any] = {}
    parent: Order | None = None
    status: Literal["new", "paid"] = "new"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> float:
        return 1.0


RESULTS = {"find": form_of_type(TypeAdapter(Order)), "erase": form_of_type(TypeAdapter(dict[str, Any]))}


def problems(expression: str, **fields: Any) -> list[str]:
    return mistakes(step("s", **fields), step("t", args={"q": {"$ref": expression}}), results=RESULTS)


@pytest.mark.parametrize(
    "expression",
    [
        "s",
        "s.id",
        "s.total",
        "s.address.city",
        "s.items[0].sku",
        "s.items[*].price | [0]",
        "s.items[?price > `3`].sku",
        "s.items[::2].sku",
        "s.labels.anything.sku",
        "s.labels.*.sku",
        "s.extra.what.ever[3]",
        "s.raw.x.y",
        "s.parent.parent.parent.id",
        "s.*",
        "sort_by(s.items, &price)[-1].sku",
        "max_by(s.items, &price).sku",
        "map(&sku, s.items)",
        "s.{a: id, b: items}.b[0].sku",
        "s.[id, items][1][0].sku",
        "(s.address || s.labels.home).price",
        "not_null(s.address, s.parent).id",
        "merge(s.address, {x: s.id}).x",
        "values(s.labels)[0].sku",
        "keys(s.labels)[0]",
        "length(s.items)",
        "input.any.thing",
    ],
)
def test_what_a_result_may_have_can_be_referred_to(expression: str) -> None:
    assert problems(expression) == []


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("s.nonexistent", "'s' has no field 'nonexistent'; it has id, items, address"),
        ("s.iid", "'s' has no field 'iid', did you mean 'id'?"),
        ("s.address.town", "'s.address' has no field 'town'; it has city"),
        ("s.items[0].skuu", "'s.items[0]' has no field 'skuu', did you mean 'sku'?; it has sku, price"),
        ("s.items.sku", "'s.items' is a list and has no field 'sku'; write 's.items[0].sku' or 's.items[].sku'"),
        ("s.items[].prize", "'s.items[]' has no field 'prize', did you mean 'price'?"),
        ("s.items[?prize > `3`]", "'s.items[]' has no field 'prize'"),
        ("s.labels.home.skuu", "'s.labels.home' has no field 'skuu'"),
        ("s.id.length", "'s.id' has no field 'length': it is a text"),
        ("s.total.amount", "it is a number"),
        ("s.status.x", "it is a plain value"),
        ("s[0]", "'s' is no list: it is an object with id, items"),
        ("s.address[].city", "'s.address' is no list"),
        ("sort_by(s.items, &cost)", "'s.items[]' has no field 'cost'"),
        ("map(&cost, s.items)", "'s.items[]' has no field 'cost'"),
        ("s.{a: id}.b", "'{a}' has no field 'b'; it has a"),
        ("s.{a: cost}", "'s' has no field 'cost'"),
        ("s.[id, cost]", "'s' has no field 'cost'"),
        ("length(s.items).x", "'length(s.items)' has no field 'x'"),
        ("s.parent.parent.parents", "'s.parent.parent' has no field 'parents', did you mean 'parent'?"),
        ("s.id == 'x' && s.cost", "'s' has no field 'cost'"),
    ],
)
def test_what_it_cant_have_is_refused_with_what_there_is(expression: str, told: str) -> None:
    (found,) = problems(expression)
    assert found.startswith("step 't', args.q: ")
    assert told in found


def test_every_place_of_a_step_is_looked_at() -> None:
    found = mistakes(
        step("s"),
        step("a", when="s.nope == 'x'"),
        step("b", for_each="s.nope"),
        step("c", for_each="s.items", args={"q": {"$ref": "item.nope"}}),
        step("d", args={"q": [{"deep": {"$ref": "s.nope"}}]}),
        step("e", fallback={"tool": "find", "args": {"q": {"$ref": "s.nope"}}}),
        step("f", fallback={"value": {"x": {"$ref": "s.nope"}}}),
        results=RESULTS,
    )
    places = ["'a', when", "'b', for_each", "'c', args.q", "'d', args.q[0].deep", "'e', fallback.args.q"]
    assert [each.split(":")[0] for each in found] == [f"step {place}" for place in [*places, "'f', fallback.value.x"]]
    assert all("has no field 'nope'" in each for each in found)


def test_the_result_of_a_list_is_a_list() -> None:
    (found,) = problems("s.id", for_each="input.ids")
    assert "'s' is a list and has no field 'id'; write 's[0].id' or 's[].id'" in found
    assert problems("s[].id", for_each="input.ids") == problems("s[?id == 'x'] | [0].total", for_each="input.ids") == []
    (found,) = problems("s[].iid", for_each="input.ids")
    assert "'s[]' has no field 'iid'" in found


def test_what_a_step_repeats_over_has_to_be_a_list() -> None:
    (found,) = mistakes(step("s"), step("t", for_each="s"), results=RESULTS)
    assert found == "step 't', for_each: 's' is an object, and no list"
    assert mistakes(step("s"), step("t", for_each="s.items"), step("u", for_each="s.extra"), results=RESULTS) == []
    assert mistakes(step("t", for_each="['x', 'y']"), results=RESULTS) == []


def test_a_fallback_may_have_what_its_step_hasnt() -> None:
    assert problems("s.other", fallback={"tool": "erase"})[:-1] == problems("s.id", fallback={"value": {"other": 1}})
    assert problems("s.other", fallback={"value": {"other": 1}}) == []
    assert problems("s.other", fallback={"value": {"$ref": "input.x"}}) == []
    (found,) = problems("s.neither", fallback={"value": {"other": {"$ref": "input.x"}}})
    assert "it has id, items, address, labels, extra, raw, parent, status, total, other" in found


def test_an_optional_step_has_the_same_fields() -> None:
    assert problems("s.id", optional=True) == []
    assert len(problems("s.iid", optional=True)) == 1


def test_fallbacks_that_take_from_each_other_end() -> None:
    steps = [step(f"s{n}", fallback={"value": {"$ref": f"s{(n + 1) % 40}"}}) for n in range(40)]
    (found,) = mistakes(*steps, results=RESULTS, limits=Limits(plan_steps=40))
    assert "in a circle" in found


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int = 1


class Renamed(BaseModel):
    plain: int = Field(default=1, alias="other")


class Written(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
    plain: int = Field(default=1, alias="other")


class Typed(TypedDict):
    name: str


class Pair(NamedTuple):
    left: Item
    right: int


@dataclass
class Data:
    name: str


@pytest.mark.parametrize(
    ("returns", "accepted", "refused"),
    [
        (dict, ["x", "x.y"], []),
        (dict[str, Any], ["x.y[0]"], []),
        (dict[str, str], ["x"], ["x.y"]),
        (Any, ["x.y", "[0].z"], []),
        (object, ["x.y"], []),
        (JsonValue, ["x.y[0].z"], []),
        (Open, ["known", "unknown.x"], ["known.x"]),
        (Renamed, ["plain", "other"], ["third"]),
        (Written, ["plain", "other"], ["third"]),
        (Typed, ["name"], ["nme"]),
        (Data, ["name"], ["nme"]),
        (Pair, ["[0].sku"], ["left", "[0].skuu"]),
        (tuple[Item, ...], ["[0].sku", "[].price"], ["sku"]),
        (RootModel[list[Item]], ["[0].sku"], ["sku", "[0].x"]),
        (Item | Address, ["sku", "city"], ["town"]),
        (list[Item] | None, ["[0].sku"], ["[0].x", "x"]),
        (Item | dict[str, Any], ["sku", "any"], []),
        (None, [], ["x"]),
        (str, [], ["x", "[0]"]),
    ],
)
def test_every_kind_of_return_type(returns: Any, accepted: list[str], refused: list[str]) -> None:
    results = {"find": form_of_type(TypeAdapter(returns))}

    def wrong(rest: str) -> list[str]:
        expression = f"s{rest}" if rest.startswith("[") else f"s.{rest}"
        return mistakes(step("s"), step("t", args={"q": {"$ref": expression}}), results=results)

    assert [rest for rest in accepted if wrong(rest)] == []
    assert [rest for rest in refused if not wrong(rest)] == []


def test_a_schema_that_says_nothing_or_turns_in_a_circle_is_open() -> None:
    assert form_of_schema(None) == form_of_schema({}) == (OPEN,)
    circle = {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}
    assert form_of_schema(circle) == (OPEN,)
    both = {"allOf": [{"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"b": {}}}]}
    assert form_of_schema(both) == (OPEN,)


def test_steps_of_earlier_revisions_have_their_tools_results() -> None:
    new, earlier = step("t", args={"q": {"$ref": "s.iid"}}), [Step(id="s", tool="find")]
    assert mistakes(new, results=RESULTS, known={"s"}) == []
    (found,) = mistakes(new, results=RESULTS, known={"s"}, earlier=earlier)
    assert "did you mean 'id'?" in found


VALUES = {
    "s": Order(id="1", items=[Item(sku="a", price=2), Item(sku="b", price=1)], address=Address(city="c")).model_dump(),
    "input": {},
}
NAMES = st.sampled_from(["id", "items", "sku", "price", "address", "city", "labels", "raw", "total", "nope"])
PARTS = st.one_of(NAMES.map(".{}".format), st.sampled_from(["[0]", "[*]", "[]", ".*", "[?price > `1`]", "[1:]"]))


@given(st.lists(PARTS, min_size=1, max_size=5).map(lambda parts: "s" + "".join(parts)))
@settings(max_examples=300, deadline=None)
def test_what_is_refused_gives_nothing_and_what_gives_something_is_accepted(expression: str) -> None:
    if expressions.check(expression):
        return
    found = expressions.evaluate(expression, VALUES)
    if problems(expression):
        assert is_nothing(found), "nothing that can be found is refused"


def is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(is_nothing, value)))


def test_it_is_quick_for_large_unions() -> None:
    defs = {name: {"type": "object", "properties": {"x": {"$ref": "#/$defs/u"}}} for name in "abcdefgh"}
    union = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in defs]}
    results = {"find": form_of_schema({"$ref": "#/$defs/u", "$defs": {**defs, "u": union}})}
    long = "s" + ".x" * 90
    assert check({"steps": [step("s"), step("t", args={"q": {"$ref": long}})]}, results=results)[1] == []
    (problem,) = mistakes(step("s"), step("t", args={"q": {"$ref": f"{long}.y"}}), results=results)
    assert "has no field 'y'; it has x" in problem
