from __future__ import annotations

import json

import pytest

from plangate.redaction import MASK, MAX_ITEMS, MAX_TEXT, redacted


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWD", "api_key", "apiKey", "API-KEY", "access_token", "client_secret", "Authorization",
     "authorisation", "session_cookie", "private_key", "card_number", "cardNumber", "cvv", "cvc2", "pin", "iban"],
)  # fmt: skip
def test_values_under_telling_names_are_masked(name: str) -> None:
    assert redacted({name: "hunter2", "deep": [{name: {"x": "hunter2"}}]}) == {name: MASK, "deep": [{name: MASK}]}


@pytest.mark.parametrize("name", ["order", "shipping", "spin", "pinned", "keyboard"])
def test_other_values_stay(name: str) -> None:
    assert redacted({name: "hunter2"}) == {name: "hunter2"}


def test_a_secret_that_is_not_there_is_shown_as_such() -> None:
    assert redacted({"token": None}) == {"token": None}


def test_the_copy_is_small() -> None:
    shown = redacted({"a": "x" * 10_000, "b": list(range(1000)), "c": {str(n): n for n in range(1000)}})
    assert shown["a"] == "x" * MAX_TEXT + "…"
    assert len(shown["b"]) == len(shown["c"]) == MAX_ITEMS
    deep: object = "end"
    for _ in range(50):
        deep = {"a": [deep]}
    assert len(json.dumps(redacted(deep))) < 100


def test_the_original_is_not_changed() -> None:
    value = {"token": "t", "list": [1, 2]}
    redacted(value)
    assert value == {"token": "t", "list": [1, 2]}
