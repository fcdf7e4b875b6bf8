"""Pages that somebody made to do harm: their text is read in time that grows with their length, and nothing raises."""

from __future__ import annotations

import time

import pytest

from plangate_tools.pages import decoded, text_of

HOSTILE = [
    "<", "<a ", "<a a=", "<a b='", '<a "', "<!--", "<!", "<![", "<![CDATA[", "<!doctype [", "</", "<?", "&", "&#",
    "<p>", "<script></", "<svg>", "<a b=\"'", "<a=='", "</script", "<style", "&#x", "= '",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_page_takes_no_longer_than_another(piece: str) -> None:
    page = piece * (400_000 // len(piece))
    began = time.process_time()
    text_of(page)
    text_of(f"<svg>{page}")
    text_of(f"<script>{page}")
    assert time.process_time() - began < 5.0  # a second at most; what is quadratic takes minutes


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<title>Hi</title><script>e('</p>')</script><p>One</p><style>x</style><p>Two &amp; 3", "Hi\nOne\nTwo & 3"),
        ("a<a title='1>2' href=\"x>y\">b</a>c", "abc"),
        ("a<!-- > <p> -->b<!doctype html>c<![CDATA[x]]>d", "abcd"),
        ("1 < 2 <3 and a<b>c</b>", "1 < 2 <3 and ac"),
        ("a<SCRIPT >x</sCript\n>b", "ab"),
        ("a<svg><svg>x</svg>y</svg>b<noscript>z", "ab"),
        ("a<script>not ended", "a"),
        ("a<a href='not ended", "a"),
        ("</svg>a", "a"),
        ("&#65;&#x42;&lt;p&gt;&eacute", "AB<p>é"),
        ("&#" + "9" * 5000 + ";&#x" + "f" * 5000 + ";", "\ufffd\ufffd"),
    ],
)  # fmt: skip
def test_the_text_of_a_page(page: str, text: str) -> None:
    assert text_of(page) == text


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        (b"caf\xc3\xa9", None, "café"),
        (b"caf\xe9", "latin-1", "café"),
        (b"caf\xe9", "Windows-1252", "café"),
        (b"caf\xe9", "utf-8", "caf\ufffd"),
        (b"\\ud800", "unicode_escape", "\\ud800"),
        (b"+2AA-", "utf-7", "+2AA-"),
        (b"x", "idna", "x"),
        (b"x", "undefined", "x"),
        (b"x", "no-such\x00", "x"),
        (b"-" + b"z9" * 100_000, "punycode", "-" + "z9" * 100_000),
    ],
)
def test_only_charsets_of_the_web_are_used(raw: bytes, charset: str | None, text: str) -> None:
    assert decoded(raw, charset) == text
