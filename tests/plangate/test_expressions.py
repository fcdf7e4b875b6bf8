from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plangate import expressions
from plangate.errors import ErrorType, PlangateError
from plangate.expressions import WHOLE, Missing, check, evaluate, references, resolve, roots, truth

NAMES = ("find", "orders", "input", "item", "n")
FIELDS = ("id", "items", "n", "find", "price", "orders")

LEAVES = st.sampled_from([None, True, False, 0, 3, -1.5, "", "x", "12"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)
SCOPES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions from smaller ones: every kind of node that JMESPath has."""
    field = st.sampled_from(FIELDS)
    right = st.sampled_from(["[0]", "[-1]", "[*]", "[]", "[1:]", "[::-1]", "[*].id", ".*", "[?n]", "[?id == orders].n"])
    comparator = st.sampled_from(["==", "!=", "<", ">=", "&&", "||"])
    return st.one_of(
        st.builds("{}.{}".format, inner, field),
        st.builds("{}{}".format, inner, right),
        st.builds("{} | {}".format, inner, field),
        st.builds("{} | {}".format, inner, st.sampled_from(["@", "[0]", "keys(@)", "*"])),
        st.builds("({} {} {})".format, inner, comparator, inner),
        st.builds("!{}".format, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{id: {}, n: {}}}".format, inner, inner),
        st.builds("{}.{{a: {}, b: @}}".format, inner, field),
        st.builds("{}({})".format, st.sampled_from(["length", "keys", "type", "to_string", "not_null", "sum"]), inner),
        st.builds("{}({}, &{})".format, st.sampled_from(["sort_by", "max_by"]), inner, field),
        st.builds("map(&{}, {})".format, field, inner),
        st.builds("contains({}, {})".format, inner, inner),
    )


STARTS = st.sampled_from([*NAMES, "`3`", "'x'", "@", "*", "[*]", "[0]"])
EXPRESSIONS = st.recursive(STARTS, grown, max_leaves=5)


def outcome(expression: str, scope: dict[str, Any]) -> Any:
    try:
        return evaluate(expression, scope)
    except Missing as missing:
        return missing.type


@given(EXPRESSIONS, SCOPES)
@settings(max_examples=200, deadline=None)
def test_the_roots_cover_all_that_evaluation_reads(expression: str, scope: dict[str, Any]) -> None:
    found = roots(expression)
    if WHOLE not in found:
        assert outcome(expression, {name: scope[name] for name in found & scope.keys()}) == outcome(expression, scope)


@given(EXPRESSIONS, SCOPES)
@settings(max_examples=200, deadline=None)
def test_evaluation_is_jmespath_and_its_faults_have_one_type(expression: str, scope: dict[str, Any]) -> None:
    try:
        expected = jmespath.search(expression, scope)
    except Exception:  # noqa: BLE001 - Python's own errors come out of jmespath too
        expected = ErrorType.UNRESOLVED_REFERENCE
    assert outcome(expression, scope) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("find_order.items[0].id", {"find_order"}),
        ("a.b == c.d && !e", {"a", "c", "e"}),
        ("sort_by(orders.items, &price)[0].id", {"orders"}),
        ("map(&to_number(amount), a.lines)", {"a"}),
        ("orders[?status == 'open' && id == `3`].total", {"orders"}),
        ("a | b", {"a"}),
        ("{x: a, y: [b, c.d]}", {"a", "b", "c"}),
        ("length(input.names)", {"input"}),
        ("'text'", set()),
        ("`{\"a\": 1}`", set()),
        ('"quoted-name".x', {"quoted-name"}),
        ("@.a", {WHOLE}),
        ("*.id", {WHOLE}),
        ("[0]", {WHOLE}),
        ("[?a].b", {WHOLE}),
        ("a.*.b", {"a"}),
    ],
)  # fmt: skip
def test_roots(expression: str, expected: set[str]) -> None:
    assert roots(expression) == expected


def test_roots_of_what_is_no_expression() -> None:
    with pytest.raises(PlangateError) as caught:
        roots("a..b")
    assert caught.value.type is ErrorType.INVALID_PLAN


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("a..b", "not a JMESPath expression"),
        ("a[", "not a JMESPath expression"),
        ("", "not a JMESPath expression"),
        ("a == 'x", "not a JMESPath expression"),
        ("nosuch(a)", "there is no function nosuch()"),
        ("a[*].sort_by(@, &nosuch(x))", "there is no function nosuch()"),
        ("a" * 2001, "longer than 2000 characters"),
        ("!" * 1900 + "a", "nested too deeply"),
        ("a" + "||a" * 600, "nested too deeply"),
    ],
)
def test_check_says_what_is_wrong(expression: str, problem: str) -> None:
    assert problem in (check(expression) or "")


def test_what_check_accepts_is_walked_and_evaluated_on_any_stack() -> None:
    deepest = "!" * (expressions.MAX_NESTING - 1) + "a"
    assert check(deepest) is None
    assert check("!" + deepest) is not None
    assert check("a" + ".b" * 900) is None  # a long path isn't nested

    def deeper(levels: int) -> Any:
        return (roots(deepest), evaluate(deepest, {"a": 1})) if levels == 0 else deeper(levels - 1)

    assert deeper(500) == ({"a"}, False)


@pytest.mark.parametrize(
    ("expression", "scope"),
    [
        ("a[::0]", {"a": [1]}),
        ("max_by(a, &x)", {"a": [{"x": 1}, {"x": "s"}]}),
        ("contains(a, `1`)", {"a": "s"}),
        ("merge(a, b)", {"a": {}, "b": 5}),
        ("ceil(sum(a))", {"a": [1e308, 1e308]}),
        ("sum(a)", {"a": [1e308, 1e308]}),
        ("to_number('nan')", {}),
        ("[to_number('1e999')]", {}),
        ("`NaN`", {}),
        ("sort_by(a, &x)", {"a": [{"x": 1}, {"x": "b"}]}),
        ("length(a, b)", {"a": "x", "b": 1}),
    ],
)
def test_a_fault_in_evaluation_is_an_unresolved_reference(expression: str, scope: dict[str, Any]) -> None:
    with pytest.raises(Missing, match="can't be evaluated") as caught:
        evaluate(expression, scope)
    assert caught.value.type is ErrorType.UNRESOLVED_REFERENCE


PLAIN = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
).filter(lambda value: "$ref" not in str(value))


@given(PLAIN, SCOPES)
@settings(max_examples=100, deadline=None)
def test_a_value_without_references_is_unchanged(value: Any, scope: dict[str, Any]) -> None:
    assert resolve(value, scope) == value
    assert not list(references(value))


REFERENCE = st.builds(lambda name, field: {"$ref": f"{name}.{field}"}, st.sampled_from(NAMES), st.sampled_from(FIELDS))
WITH_REFERENCES = st.recursive(
    REFERENCE | LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(WITH_REFERENCES, SCOPES)
@settings(max_examples=200, deadline=None)
def test_resolving_puts_the_value_of_each_expression_in_its_place(value: Any, scope: dict[str, Any]) -> None:
    expected = {where: jmespath.search(expression, scope) for where, expression in references(value)}
    if None in expected.values():
        with pytest.raises(Missing, match="leads to nothing"):
            resolve(value, scope)
        return
    assert resolve(value, scope) == replaced(value, scope)


def replaced(value: Any, scope: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            return jmespath.search(value["$ref"], scope)
        return {name: replaced(child, scope) for name, child in value.items()}
    return [replaced(child, scope) for child in value] if isinstance(value, list) else value


def test_what_a_reference_brings_in_is_data_never_a_reference() -> None:
    scope = {"mail": {"text": {"$ref": "secret.key"}}, "secret": {"key": "k"}}
    assert resolve({"body": {"$ref": "mail.text"}}, scope) == {"body": {"$ref": "secret.key"}}


@pytest.mark.parametrize("wrong", [{"$ref": 5}, {"$ref": None}, {"$ref": ["a"]}, {"$ref": "a", "default": 1}])
def test_a_malformed_reference_is_found_and_never_resolved(wrong: dict[str, Any]) -> None:
    assert list(references({"x": [wrong]})) == [("x[0]", "")]
    with pytest.raises(Missing, match="and no more"):
        resolve({"x": [wrong]}, {"a": 1})


def test_references_say_where_they_stand() -> None:
    value = {"a": {"b": [1, {"$ref": "x"}]}, "c": {"$ref": "y"}}
    assert list(references(value)) == [("a.b[1]", "x"), ("c", "y")]
    assert list(references({"$ref": "z"})) == [("", "z")]


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_truth_is_jmespaths(value: Any) -> None:
    assert truth(value) == jmespath.search("!!a", {"a": value})
