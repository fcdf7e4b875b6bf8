"""Conditions in words."""

from __future__ import annotations

import pytest

from plangate.conditions import MAX_WORDS, UNMET, unmet


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("refund.amount > `100`", "refund.amount was not over 100"),
        ("refund.amount >= `100.5`", "refund.amount was not at least 100.5"),
        ("order.total < `5`", "order.total was not under 5"),
        ("order.total <= `5`", "order.total was not at most 5"),
        ("`100` < refund.amount", "refund.amount was not over 100"),
        ("order.status == 'shipped'", "order.status was not “shipped”"),
        ("order.status != 'shipped'", "order.status was “shipped”"),
        ("order.paid == `true`", "order.paid was not true"),
        ("parcel.tracking != `null`", "there was no parcel.tracking"),
        ("parcel.tracking == `null`", "there was a parcel.tracking"),
        ("parcel.tracking", "there was no parcel.tracking"),
        ("!(parcel.late)", "there was a parcel.late"),
        ("orders.items[0].sku", "there was no orders.items[0].sku"),
        ("length(found.orders) > `0`", "the length of found.orders was not over 0"),
        ("contains(order.note, 'gift')", "order.note did not have “gift” in it"),
        ("!starts_with(order.id, '9')", "order.id began with “9”"),
        ("a.x > b.y", "a.x was not over b.y"),
        ("a.x == 'u' && b.y > `2`", "a.x was not “u”, or b.y was not over 2"),
        ("a.x == 'u' || b.y > `2`", "a.x was not “u” and b.y was not over 2"),
        ("!(a.x == 'u' || b.y > `2`)", "a.x was “u”, or b.y was over 2"),
    ],
)
def test_a_condition_that_was_not_met_in_words(condition: str, words: str) -> None:
    assert unmet(condition) == words


@pytest.mark.parametrize(
    "condition",
    ["orders[?total > `5`] | [0]", "sum(a.b) > `3`", "a..b", "a." + "b" * MAX_WORDS, "!" * 90 + "a[*].b", "@.x"],
)
def test_what_is_too_involved_is_not_shown_raw(condition: str) -> None:
    assert unmet(condition) == UNMET
