"""Replies in the shape of the Responses API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from workers.offline_model.replies import Reply


def body(reply: Reply) -> dict[str, Any]:
    """The whole reply. An empty text gives a response without output, as it happens with real models."""
    output = [_message(reply, [_part(reply, reply.text)], "completed")] if reply.text else []
    return _response(reply, output, "completed", usage=True)


def events(reply: Reply) -> Iterator[str]:
    """The reply as server-sent events, in the order in which the Responses API sends them."""
    number = 0

    def event(kind: str, **values: Any) -> str:
        nonlocal number
        data = {"type": kind, "sequence_number": number, **values}
        number += 1
        return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"

    started = _response(reply, [], "in_progress", usage=False)
    yield event("response.created", response=started)
    yield event("response.in_progress", response=started)
    if reply.text:
        yield from _text_events(reply, event)
    yield event("response.completed", response=body(reply))


def _text_events(reply: Reply, event: Any) -> Iterator[str]:
    item = f"msg_{reply.id}"
    place = {"item_id": item, "output_index": 0, "content_index": 0}
    kind = "refusal" if reply.refusal else "output_text"
    extra: dict[str, Any] = {} if reply.refusal else {"logprobs": []}
    yield event("response.output_item.added", output_index=0, item=_message(reply, [], "in_progress"))
    yield event("response.content_part.added", **place, part=_part(reply, ""))
    for piece in reply.chunks():
        yield event(f"response.{kind}.delta", **place, delta=piece, **extra)
    whole = {"refusal" if reply.refusal else "text": reply.text}
    yield event(f"response.{kind}.done", **place, **whole, **extra)
    part = _part(reply, reply.text)
    yield event("response.content_part.done", **place, part=part)
    yield event("response.output_item.done", output_index=0, item=_message(reply, [part], "completed"))


def _part(reply: Reply, text: str) -> dict[str, Any]:
    if reply.refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(reply: Reply, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"id": f"msg_{reply.id}", "type": "message", "status": status, "role": "assistant", "content": content}


def _response(reply: Reply, output: list[dict[str, Any]], status: str, *, usage: bool) -> dict[str, Any]:
    prompt = reply.prompt
    wanted: dict[str, Any] = {"type": "text"}
    if prompt.schema is not None:
        wanted = {"type": "json_schema", "name": prompt.schema_name, "schema": prompt.schema, "strict": False}
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": reply.created,
        "completed_at": reply.created if status == "completed" else None,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": prompt.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": 1.0,
        "text": {"format": wanted},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(reply) if usage else None,
    }


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
