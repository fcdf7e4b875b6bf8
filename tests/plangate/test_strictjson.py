from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plangate import strictjson
from plangate.errors import ErrorType, PlangateError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def why(text: str, **limits: int) -> str:
    with pytest.raises(PlangateError) as caught:
        strictjson.parse(text, **limits)
    assert caught.value.type is ErrorType.MODEL_MALFORMED
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "NaN is not a JSON number: a"),
        ('{"a": [1, {"b": -Infinity}, NaN]}', "-Infinity is not a JSON number: a[1].b"),
        ("[Infinity]", "Infinity is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[1e999]", "1e999 is too large for a number: [0]"),
        ("[-1e999]", "-1e999 is too large"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        ('{"x": {"k": 1, "\\u006b": 2}}', "the key 'k' stands twice"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a": 1', "not JSON"),
        ("", "not JSON"),
        ('{"a": 1} and more', "not JSON"),
        ("9" * 5000, "digits"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_reason(text: str, reason: str) -> None:
    assert reason in why(text)


def test_the_first_number_that_json_doesnt_have_is_found_with_its_place() -> None:
    value = {"a": [1, {"b": 2.0}], "c": {"d": (float("inf"), float("nan"))}}
    assert strictjson.not_finite(value) == "Infinity is not a JSON number: c.d[0]"
    assert strictjson.not_finite(float("nan"), "x") == "NaN is not a JSON number: x"
    assert strictjson.not_finite({"a": [1, "NaN", None, True, 1e308]}) == ""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert strictjson.not_finite(deep) == ""


def test_bytes_are_bounded_not_characters() -> None:
    assert strictjson.parse('"üü"', max_bytes=6) == "üü"
    assert "larger than 5 bytes" in why('"üü"', max_bytes=5)


def test_depth_is_bounded_without_recursion() -> None:
    assert strictjson.parse("[" * 64 + "]" * 64)
    assert "deeper than 64 levels" in why("[" * 65 + "]" * 65)
    assert "deeper than 64 levels" in why("[" * 400_000)


def test_brackets_in_strings_are_no_nesting() -> None:
    text = json.dumps({"a": "[" * 100 + '\\"' + "{" * 100})
    assert strictjson.parse(text) == json.loads(text)


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back(value: Any) -> None:
    text = strictjson.canonical(value)
    assert strictjson.canonical(strictjson.parse(text)) == text
    assert strictjson.size(value) == len(text.encode("utf-8", "surrogatepass"))


@given(st.dictionaries(st.text(), VALUES, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_digest_does_not_depend_on_the_order_of_keys(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert strictjson.digest(dict(items)) == strictjson.digest(value)


def test_the_digest_tells_values_apart() -> None:
    values: list[Any] = [None, 0, 0.5, "0", [], {}, [0], {"a": 0}, {"a": "0"}, {"a": None}, "\ud800", "Ω", True]
    digests = {strictjson.digest(value) for value in values}
    assert len(digests) == len(values)
    assert all(len(each) == 64 for each in digests)


def test_the_digest_is_the_sha_256_that_anybody_can_compute() -> None:
    """Stored approvals name it, so it never changes."""
    assert strictjson.canonical({"b": "ü", "a": [1, 2.5, None]}) == '{"a":[1,2.5,null],"b":"ü"}'
    assert strictjson.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}])
def test_numbers_that_are_not_finite_have_no_canonical_form(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        strictjson.canonical(value)


def test_a_key_that_stands_twice_is_found_fast() -> None:
    """Of 80,000 keys the last one: looking through all of them for each took minutes."""
    began = time.process_time()
    text = "{" + ",".join(f'"{number}":1' for number in range(80_000)) + ',"79999":2}'
    assert "'79999' stands twice" in why(text)
    assert time.process_time() - began < 2.0
