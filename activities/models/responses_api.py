"""The Responses API: how a question is put and a reply read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from activities.models.contracts import ModelCall, Reading, Tokens
from activities.models.errors import failure_of_code
from activities.models.replies import CutOff, OnText, text_of, too_large, whole


def request(call: ModelCall, output_tokens: int) -> dict[str, Any]:
    """The arguments of `client.responses.create`."""
    body: dict[str, Any] = {"input": [{"role": message.role, "content": message.text} for message in call.messages]}
    if call.schema is not None:
        named = {"name": call.schema.name, "schema": call.schema.schema, "strict": False}
        body["text"] = {"format": {"type": "json_schema", **named}}
    arguments: dict[str, Any] = {
        "model": call.model,
        "instructions": call.instructions,
        "max_output_tokens": min(output_tokens, call.output_tokens or output_tokens),
        "store": False,
        # The client walks nested arguments by their types, which costs a quarter of a call; it sends these as they are.
        "extra_body": body,
    }
    if call.temperature is not None:
        arguments["temperature"] = call.temperature
    return arguments


def read(body: Mapping[str, Any], max_bytes: int) -> Reading:
    """Read a whole reply.

    Raises:
        ModelFailure: When the endpoint reports that it failed.
    """
    status = body.get("status")
    if status in ("failed", "cancelled"):
        error = body.get("error") or {}
        raise failure_of_code(error.get("code"), error.get("message") or f"the reply's status is {status!r}")
    reason = (body.get("incomplete_details") or {}).get("reason") if status == "incomplete" else None
    parts = [
        part for item in body.get("output") or [] if item.get("type") == "message" for part in item.get("content") or []
    ]
    refusal = text_of(part.get("refusal") for part in parts if part.get("type") == "refusal")
    return whole(
        text_of(part.get("text") for part in parts if part.get("type") == "output_text"),
        max_bytes,
        refusal="a content filter stopped it" if reason == "content_filter" else refusal,
        cut=status == "incomplete" and reason != "content_filter",
        model=body.get("model"),
        tokens=_tokens(body.get("usage")),
    )


def _tokens(usage: Mapping[str, Any] | None) -> Tokens | None:
    if not usage:
        return None
    details = usage.get("input_tokens_details") or {}
    return Tokens(
        input=int(usage.get("input_tokens") or 0),
        cached=int(details.get("cached_tokens") or 0),
        output=int(usage.get("output_tokens") or 0),
    )


async def read_stream(events: AsyncIterator[Any], max_bytes: int, on_text: OnText) -> Reading:
    """Read a stream of events.

    Raises:
        CutOff: When it ends without its last event.
        ModelFailure: When the endpoint reports that it failed.
    """
    text, size = "", 0
    async for event in events:
        match event.type:
            case "response.output_text.delta":
                text += event.delta
                size += len(event.delta.encode("utf-8", "replace"))
                if size > max_bytes:
                    return too_large(max_bytes)
                on_text(text)
            case "response.completed" | "response.incomplete" | "response.failed":
                return read(event.response.to_dict(mode="json"), max_bytes)
            case "error":
                raise failure_of_code(event.code, event.message)
    raise CutOff(text)
