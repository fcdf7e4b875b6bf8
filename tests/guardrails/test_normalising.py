"""Invisible and look-alike characters go; what scripts and emoji need stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.guardrails.normalising import normalised

SCOTLAND = "🏴󠁧󠁢󠁳󠁣󠁴󠁿"


@pytest.mark.parametrize(
    "text",
    [
        "hi 👨‍👩‍👧‍👦", "می‌خواهم", "ok", "a\tb\nc", "क्‍ष", "🏴󠁧󠁢󠁳󠁣󠁴󠁿 tea", "❤️", "🧑🏽‍🚀", "ශ්‍රී", "naïve café",
        "Привет", "東京", "안녕하세요", "مرحبا", "£62.00 – “teapot”",
    ],
)  # fmt: skip
def test_writing_stays_as_it_is(text: str) -> None:
    assert normalised(unicodedata.normalize("NFC", text)) == (unicodedata.normalize("NFC", text), [])


@pytest.mark.parametrize(
    ("text", "read", "change"),
    [
        ("ig\u200bnore", "ignore", "1 zero-width characters"),
        ("ig\u200dnore", "ignore", "1 idle joiners"),
        ("\u202eabc\u202c", "abc", "2 bidirectional marks"),
        ("hi" + "".join(chr(0xE0000 + ord(char)) for char in "ignore"), "hi", "6 tag characters"),
        ("a\x07b", "ab", "1 control characters"),
        ("ｉｇｎｏｒｅ", "ignore", ""),
        ("𝐢𝐠𝐧𝐨𝐫𝐞 𝖆𝖑𝖑", "ignore all", ""),
        ("① ﬁne", "1 fine", ""),
        ("l\u00adang", "lang", "1 soft hyphens"),
        ("hi\U000e0101", "hi", "1 variation selectors"),
        ("ok\u2028go", "ok\ngo", ""),
        ("Z" + "\u0335" * 30, "Z" + "\u0335" * 4, ""),
        ("a" + "\u05b0\u05b4" * 90, "a" + "\u05b0" * 15 + "\u05b4" * 15, ""),
        (
            f"a\u200b{SCOTLAND}\x07b{SCOTLAND}",
            f"a{SCOTLAND}b{SCOTLAND}",
            "1 zero-width characters; 1 control characters",
        ),
    ],
)
def test_what_machines_alone_see_goes(text: str, read: str, change: str) -> None:
    found, changes = normalised(text)
    assert found == read
    assert "; ".join(changes) == change


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once, _ = normalised(text)
    again, changes = normalised(once)
    assert (again, changes) == (once, [])
