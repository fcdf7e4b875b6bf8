"""Replies in the shape of Chat Completions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from workers.offline_model.replies import Reply


def body(reply: Reply) -> dict[str, Any]:
    """The whole reply."""
    message = {"role": "assistant", "annotations": [], **_said(reply, reply.text)}
    return {
        **_head(reply, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(reply),
    }


def events(reply: Reply) -> Iterator[str]:
    """The reply as server-sent events: role, text in pieces, end, usage when asked for, `[DONE]`."""
    yield _event(reply, {"role": "assistant", "content": "", "refusal": None})
    for piece in reply.chunks():
        yield _event(reply, {"refusal": piece} if reply.refusal else {"content": piece})
    yield _event(reply, {}, finish="stop")
    if reply.prompt.include_usage:
        yield _line({**_head(reply, "chat.completion.chunk"), "choices": [], "usage": _usage(reply)})
    yield "data: [DONE]\n\n"


def _said(reply: Reply, text: str) -> dict[str, Any]:
    return {"content": None, "refusal": text} if reply.refusal else {"content": text, "refusal": None}


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": kind,
        "created": reply.created,
        "model": reply.prompt.model,
        "service_tier": "default",
        "system_fingerprint": "fp_offline",
    }


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _event(reply: Reply, delta: dict[str, Any], *, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    chunk = {**_head(reply, "chat.completion.chunk"), "choices": [choice]}
    return _line({**chunk, "usage": None} if reply.prompt.include_usage else chunk)


def _line(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
