"""What a model is asked, read from the messages of either API: the same text that a real model would get."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

Api = Literal["responses", "chat"]
TASKS = ("plan", "revise", "answer")


class BadRequest(Exception):
    """A body that no OpenAI-compatible server would take; the message says what is wrong."""


@dataclass(frozen=True)
class Message:
    """One message of the conversation, its text parts joined."""

    role: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """One request to the model."""

    api: Api
    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = True
    """Chat streams carry usage only when asked."""
    schema_name: str = ""
    schema: dict[str, Any] | None = None
    agent: str = ""
    task: str = ""
    """`plan`, `revise`, `answer`, or empty when the instructions name none."""
    context: dict[str, Any] = field(default_factory=dict)
    request: str = ""
    progress: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    repair: int = 0
    """How many times the model was asked to repair its output."""

    @property
    def text(self) -> str:
        """Everything the model reads, for counting tokens and matching faults."""
        return "\n".join(message.text for message in self.messages)


def read_prompt(api: Api, body: Any) -> Prompt:
    """Read a request's body.

    Raises:
        BadRequest: When a field that the API needs is missing or of the wrong type.
    """
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("`model` is missing")
    messages = _responses_messages(body) if api == "responses" else _chat_messages(body)
    if not any(message.role == "user" for message in messages):
        raise BadRequest("there is no message of the user")
    name, schema = _schema(api, body)
    options = body.get("stream_options")
    return Prompt(
        api=api,
        model=model,
        messages=messages,
        stream=body.get("stream") is True,
        include_usage=api == "responses" or (isinstance(options, dict) and options.get("include_usage") is True),
        schema_name=name,
        schema=schema,
        **_meaning(messages),
    )


def _responses_messages(body: dict[str, Any]) -> tuple[Message, ...]:
    messages: list[Message] = []
    if isinstance(body.get("instructions"), str):
        messages.append(Message("system", body["instructions"]))
    given = body.get("input")
    if isinstance(given, str):
        messages.append(Message("user", given))
    elif isinstance(given, list):
        messages.extend(_message(item) for item in given if isinstance(item, dict) and "role" in item)
    else:
        raise BadRequest("`input` must be a text or a list of messages")
    return tuple(messages)


def _chat_messages(body: dict[str, Any]) -> tuple[Message, ...]:
    given = body.get("messages")
    if not isinstance(given, list) or not all(isinstance(item, dict) and "role" in item for item in given):
        raise BadRequest("`messages` must be a list of messages, each with a `role`")
    return tuple(_message(item) for item in given)


def _message(item: dict[str, Any]) -> Message:
    role = "system" if item["role"] in ("system", "developer") else str(item["role"])
    content = item.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return Message(role, content if isinstance(content, str) else "")


def _schema(api: Api, body: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Name and JSON schema of the structured output that is asked for, if any."""
    if api == "responses":
        text = body.get("text")
        wanted = text.get("format") if isinstance(text, dict) else None
    else:
        outer = body.get("response_format")
        wanted = outer.get("json_schema") if isinstance(outer, dict) else None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("schema"), dict):
        return "", None
    return str(wanted.get("name") or ""), wanted["schema"]


def _meaning(messages: tuple[Message, ...]) -> dict[str, Any]:
    """What the product's contract says about instructions and the first user message."""
    system = "\n".join(message.text for message in messages if message.role == "system")
    asked = [message.text for message in messages if message.role == "user"]
    answered = sum(message.role == "assistant" for message in messages)
    task = _header("Task", system).lower()
    user = asked[0]
    context, rest = _first_json(user, "context")
    progress, rest = _last_json(rest, "progress")
    results, rest = _last_json(rest, "results")
    return {
        "agent": _header("Agent", system),
        "task": task if task in TASKS else "",
        "context": context,
        "request": _request(rest),
        "progress": progress,
        "results": results,
        "repair": min(answered, len(asked) - 1),
    }


def _header(name: str, text: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(\S+)[ \t]*$", text, re.MULTILINE)
    return found.group(1) if found else ""


def _request(text: str) -> str:
    start, end = text.find("<request>"), text.rfind("</request>")
    if start < 0:
        return text.strip()
    return text[start + len("<request>") : end if end > start else len(text)].strip()


def _first_json(text: str, tag: str) -> tuple[dict[str, Any], str]:
    """The JSON object of the first `<tag>` section, and the text after it."""
    start = text.find(f"<{tag}>")
    found = _object_at(text, start, tag) if start >= 0 else None
    return (found[0], text[found[1] :]) if found else ({}, text)


def _last_json(text: str, tag: str) -> tuple[dict[str, Any], str]:
    """The JSON object of the section that ends the text, and the text before it.

    Only a section at the very end counts: a customer who writes `<results>` into a request doesn't make results.
    """
    start = text.find(f"<{tag}>")
    while start >= 0:
        found = _object_at(text, start, tag)
        if found and not text[found[1] :].strip():
            return found[0], text[:start]
        start = text.find(f"<{tag}>", start + 1)
    return {}, text


def _object_at(text: str, start: int, tag: str) -> tuple[dict[str, Any], int] | None:
    """The object of the section that starts there, and where the section ends."""
    inside = text[start + len(tag) + 2 :]
    stripped = inside.lstrip()
    try:
        value, length = json.JSONDecoder().raw_decode(stripped)
    except (ValueError, RecursionError):
        return None
    closing = re.compile(rf"\s*</{tag}>").match(stripped, length)
    if not isinstance(value, dict) or closing is None:
        return None
    return value, len(text) - len(stripped) + closing.end()
