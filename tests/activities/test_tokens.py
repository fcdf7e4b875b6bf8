"""Counting tokens: the quick answer is that of the whole count."""

from __future__ import annotations

import random

import pytest

from activities.models import tokens
from activities.models.tokens import count, fits
from tests.guardrails.corpora.attacks import attacks
from tests.guardrails.corpora.harmless import harmless

_SAMPLES = [sample.text for write in (attacks, harmless) for sample in write(5)]
TEXTS = {
    "nothing": "",
    "prose": " ".join(_SAMPLES)[:12_000],
    "one long word": "a" * 9_000,
    "spaces": " " * 9_000,
    "letters of no word": "".join(random.Random(1).choices("abcdefXYZ0123456789+/", k=7_000)),
    "Chinese": "我的订单在哪里请退款茶壶坏了，。" * 400,
    "emojis": "🫖❤️👩\u200d🚀 " * 900,
    "broken": "\ud800a\udfff" * 2_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_fits_where_it_has_no_more_tokens(text: str) -> None:
    exact = count(text)
    for limit in {0, 1, exact // 3, exact - 40, exact - 1, exact, exact + 1, exact + 40, exact * 2, len(text) - 1}:
        assert fits(text, limit) is (exact <= limit), limit


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_cut_changes_few_tokens(text: str) -> None:
    for at in range(tokens._PART, len(text), tokens._PART):
        assert abs(count(text[:at]) + count(text[at:]) - count(text)) <= tokens._SEAM // 2


def test_a_text_that_is_far_from_the_limit_is_not_counted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(tokens, "count", lambda text: read.append(len(text)) or count(text))
    assert fits(TEXTS["prose"], 11_000)
    assert not fits(TEXTS["prose"], 100)
    assert max(read) <= tokens._PART
    assert sum(read) <= 4 * tokens._PART
