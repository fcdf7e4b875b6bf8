"""The sections of a message: `<request>` and its like. Text can't close the section that it stands in."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from activities.guardrails.injection.masks import LOOKALIKES
from plangate.provenance import Trust
from plangate.toolkit import Tool
from plangate.visible import harmless

_TAGS = (b"context", b"request", b"progress", b"results")
_ANGLE = re.compile("[<\uff1c\ufe64\u2039\u3008\u300a\u27e8\u276e\u2770\u02c2\u1438\u2329]")
"""What opens a tag, and what looks like it."""
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_NO_LETTERS = bytes(byte for byte in range(128) if not chr(byte).isalpha())
_AHEAD = 80
"""Characters behind it in which a tag's name has to be whole."""


@cache
def fixed_text(name: str) -> str:
    """A fixed text of this package, by file name."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def text_section(name: str, text: str) -> str:
    """A section with a text from outside. What imitates a section's tag has its `<` written as `&lt;`."""
    if _ANGLE.search(text) and _has_a_tags_letters(text):
        return _section(
            name, _ANGLE.sub(lambda found: "&lt;" if _names_a_section(text, found.end()) else found[0], text)
        )
    return _section(name, text)


def _has_a_tags_letters(text: str) -> bool:
    """Whether the letters of a section's name stand anywhere, in their order. If not, no bracket need be looked at."""
    letters = _letters(text)
    return any(tag in letters for tag in _TAGS)


def _names_a_section(text: str, at: int) -> bool:
    """Whether a section's name stands behind an angle bracket, also with other signs or hidden characters in it."""
    return _letters(text[at : at + _AHEAD]).startswith(_TAGS)


def _letters(text: str) -> bytes:
    """The letters of a text as a model may read them: without accents, in plain letters, whatever their script."""
    plain = _BEYOND_ASCII.sub(lambda found: "".join(map(_plain, found[0])), text)
    return plain.encode("utf-8", "replace").lower().translate(None, _NO_LETTERS)


@cache
def _plain(char: str) -> str:
    plain = unicodedata.normalize("NFKD", char).casefold().translate(LOOKALIKES)
    return "".join(filter(str.isalpha, plain))


def json_section(name: str, value: Any) -> str:
    """A section with JSON: data, which can't look like anything else.

    JSON's own quoting delimits it. Every `<` and every character that can't be seen is written as `\\u….`, so that no
    text inside can imitate a tag, whatever it hides between its letters; JSON reads them back as they were.
    """
    return _section(name, "".join(_escaped(char) for char in dumps(value)))


def _escaped(char: str) -> str:
    if char != "<" and (char.isascii() or harmless(char)):
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def whose_words(tool: str, tools: Mapping[str, Tool]) -> str:
    """Where a tool's results come from, for a model: `search_policies, a document`."""
    found = tools.get(tool)
    trust = found.settings.returns.get("*", Trust.UNTRUSTED) if found else Trust.UNTRUSTED
    what = {Trust.DOCUMENT: "a document", Trust.WEB: "the web", Trust.TRUSTED: "our records; free text is by others"}
    return f"{tool}, {what.get(trust, 'by others')}"


def _section(name: str, text: str) -> str:
    return f"<{name}>\n{text.encode('utf-8', 'replace').decode()}\n</{name}>"


def context_section(*, today: str, user: str | None, input: dict[str, Any]) -> str:
    """The section `<context>`: what Plangate itself knows of the request."""
    return json_section("context", {"today": today, "user": user, "input": input})


def dumps(value: Any) -> str:
    """Compact JSON in plain Unicode."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def instructions(agent: str, task: str, *parts: str) -> str:
    """A system prompt: the two lines that name agent and task, then the parts that aren't empty."""
    return "\n\n".join([f"Agent: {agent}\nTask: {task}", *(part.strip() for part in parts if part.strip())])
