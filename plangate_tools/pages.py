"""The text of a page as somebody may have made it to do harm: read in time that grows with its length and no faster.

Python's own HTML parser needs minutes for a hundred kilobytes of `<a <a <a`, and raises on `<![`.
"""

from __future__ import annotations

import codecs
import html
import re

_SKIPPED = frozenset({"template", "noscript", "svg"})
"""Elements that nobody reads; they may stand in each other."""
_RAW = frozenset({"script", "style"})
"""Elements that end at their own end tag, whatever else stands in them."""
_BREAKS = frozenset({"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4"})
_TAG = re.compile(r"<(?:(/?)([a-zA-Z][^\s/>]*)|([!?]))")
_STOP = re.compile(r"[>=]")
_QUOTE = re.compile(r"""\s*(["'])""")
_RAW_END = {name: re.compile(f"</{name}(?=[\\s/>])", re.I) for name in _RAW}
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
"""Numbers of characters that there can't be; Python refuses to read very long ones."""
_CHARSETS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "koi8-r", "koi8-u", "mac-roman"),
        *(f"cp{number}" for number in (437, 850, 866, 874, *range(1250, 1259))),
        *(f"iso8859-{number}" for number in range(1, 17) if number != 12),
        *("gb2312", "gbk", "gb18030", "big5", "euc-jp", "shift_jis", "iso2022_jp", "euc-kr"),
    )
)
"""Those of the web. Others of Python's can be slow (punycode), fail, or make what is no text (utf-7)."""


def decoded(raw: bytes, charset: str | None) -> str:
    """Bytes as text, by the charset that the server names if it is one of the web's; what can't be read is replaced."""
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        name = "utf-8"
    return raw.decode(name if name in _CHARSETS else "utf-8", "replace")


def text_of(page: str) -> str:
    """The text of HTML, without markup, scripts and styles; what is not ended goes to the end, as in a browser."""
    parts: list[str] = []
    at, hidden = 0, 0
    while (tag := _TAG.search(page, at)) is not None:
        if not hidden:
            parts.append(page[at : tag.start()])
        closes, name, special = tag[1], (tag[2] or "").lower(), tag[3]
        at = _end_of_special(page, tag.start()) if special else _end_of_tag(page, tag.end())
        if closes:
            hidden = max(0, hidden - (name in _SKIPPED))
            continue
        if name in _RAW and (end := _RAW_END[name].search(page, at)) is not None:
            at = _end_of_tag(page, end.end())
        elif name in _RAW:
            at = len(page)
        hidden += name in _SKIPPED
        parts.append("\n" if name in _BREAKS else "")
    if not hidden:
        parts.append(page[at:])
    text = html.unescape(_LONG_NUMBER.sub("\ufffd", "".join(parts)))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _end_of_special(page: str, start: int) -> int:
    """After a comment, a declaration or an instruction."""
    marks = ("-->", 3) if page.startswith("<!--", start) else (">", 1)
    end = page.find(marks[0], start + 2)
    return len(page) if end < 0 else end + marks[1]


def _end_of_tag(page: str, at: int) -> int:
    """After the `>` that isn't in an attribute's quotes; the end of the page when there is none."""
    while (stop := _STOP.search(page, at)) is not None:
        at = stop.end()
        if stop[0] == ">":
            return at
        if (quote := _QUOTE.match(page, at)) is not None:
            end = page.find(quote[1], quote.end())
            if end < 0:
                break
            at = end + 1
    return len(page)
