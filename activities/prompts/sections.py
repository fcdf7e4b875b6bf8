"""The sections of a message: `<request>` and its like. Text can't close the section that it stands in."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

_TAG = re.compile(r"<(?=\s*/?\s*(?:context|request|progress|results)\b)", re.IGNORECASE)


@cache
def fixed_text(name: str) -> str:
    """A fixed text of this package, by file name."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def text_section(name: str, text: str) -> str:
    """A section with a text from outside. What imitates a section's tag has its `<` written as `&lt;`."""
    return _section(name, _TAG.sub("&lt;", text))


def json_section(name: str, value: Any) -> str:
    """A section with JSON. What imitates a section's tag inside it has its `<` written as `\\u003c`."""
    return _section(name, _TAG.sub(lambda _: "\\u003c", dumps(value)))


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
