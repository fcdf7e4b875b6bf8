from __future__ import annotations

import inspect
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from plangate.keys import approval_id, call_id, idempotency_key, split_approval_id

TEXT = st.text(alphabet="ab\\x1f\x1f-.~/01 ", max_size=8)
"""With everything that separates: the unit separator, its escape, backslashes."""
STEP = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
COORDINATES = st.fixed_dictionaries(
    {
        "namespace": TEXT,
        "effect_identity": TEXT,
        "revision": st.integers(0, 12),
        "step": STEP,
        "item": st.none() | st.integers(0, 12),
        "fallback": st.booleans(),
        "generation": st.integers(0, 3),
    }
)


@given(COORDINATES, COORDINATES)
@settings(max_examples=200, deadline=None)
def test_keys_are_equal_exactly_when_the_coordinates_are(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert (idempotency_key(**one) == idempotency_key(**two)) == (one == two)


@given(COORDINATES, st.data())
@settings(max_examples=200, deadline=None)
def test_changing_one_coordinate_changes_the_key(one: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(one)))
    other = {**one, name: data.draw(COORDINATES.map(lambda each: each[name]))}
    assert (idempotency_key(**one) == idempotency_key(**other)) == (one == other)


def test_separators_in_names_give_no_collisions() -> None:
    rest: dict[str, Any] = {"revision": 0, "step": "s"}
    pairs = [("a", "b\x1fc"), ("a\x1fb", "c"), ("a\\x1fb", "c"), ("a\\", "x1fb\x1fc"), ("a\\\x1fb", "c"), ("", "a")]
    keys = {idempotency_key(namespace=namespace, effect_identity=run, **rest) for namespace, run in pairs}
    assert len(keys) == len(pairs)


def test_the_key_knows_nothing_of_attempts_runs_or_arguments() -> None:
    assert set(inspect.signature(idempotency_key).parameters) == {
        "namespace", "effect_identity", "revision", "step", "item", "fallback", "generation",
    }  # fmt: skip


def test_the_key_never_changes_from_version_to_version() -> None:
    """Effects in the ledger and at far sides are known by it."""
    key = idempotency_key(namespace="default", effect_identity="run-1", revision=0, step="refund")
    assert key == "pg1-d969705a42bf060c180578bec60130119c8b5abd"


@given(STEP, STEP, st.none() | st.integers(0, 99), st.none() | st.integers(0, 99), st.booleans(), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_call_ids_are_distinct_within_a_run(
    one: str, two: str, item: int | None, other: int | None, fallback: bool, revision: int
) -> None:
    first = call_id(one, item=item, fallback=fallback, revision=revision)
    assert first != call_id(one, item=item, fallback=not fallback, revision=revision)
    assert first != call_id(one, item=item, fallback=fallback, revision=revision + 1)
    second = call_id(two, item=other, fallback=fallback, revision=revision)
    assert (first == second) == ((one, item) == (two, other))


def test_call_ids_read_like_the_plan() -> None:
    assert call_id("refund") == "refund"
    assert call_id("notify", item=2) == "notify.2"
    assert call_id("refund", fallback=True) == "refund-fallback"
    assert call_id("notify", item=0, fallback=True, revision=1) == "notify-fallback.0~1"


@given(st.text(min_size=1), STEP)
@settings(max_examples=100, deadline=None)
def test_an_approval_id_splits_into_its_run_and_call(run: str, call: str) -> None:
    assert split_approval_id(approval_id(run, call)) == (run, call)


def test_a_text_without_a_slash_is_a_run() -> None:
    assert split_approval_id("run-1") == ("run-1", "")
