"""Chat Completions, which most other providers and local servers speak: how a question is put and a reply read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from activities.models.contracts import ModelCall, Reading, Tokens
from activities.models.errors import failure_of_code
from activities.models.replies import CutOff, OnText, text_of, too_large, whole


def request(call: ModelCall, output_tokens: int) -> dict[str, Any]:
    """The arguments of `client.chat.completions.create`."""
    arguments: dict[str, Any] = {
        "model": call.model,
        "messages": [
            {"role": "system", "content": call.instructions},
            *({"role": message.role, "content": message.text} for message in call.messages),
        ],
        "max_completion_tokens": min(output_tokens, call.output_tokens or output_tokens),
    }
    if call.schema is not None:
        named = {"name": call.schema.name, "schema": call.schema.schema, "strict": False}
        # As it is, past the client's walk through nested arguments.
        arguments["extra_body"] = {"response_format": {"type": "json_schema", "json_schema": named}}
    if call.temperature is not None:
        arguments["temperature"] = call.temperature
    return arguments


def read(body: Mapping[str, Any], max_bytes: int) -> Reading:
    """Read a whole reply.

    Raises:
        ModelFailure: When the endpoint reports a failure in place of an answer.
    """
    if error := body.get("error"):
        known = error if isinstance(error, dict) else {"message": str(error)}
        raise failure_of_code(known.get("code"), known.get("message") or "")
    choice: dict[str, Any] = next(iter(body.get("choices") or []), {})
    message = choice.get("message") or {}
    finish = choice.get("finish_reason")
    return whole(
        text_of([message.get("content")]),
        max_bytes,
        refusal=_refusal(text_of([message.get("refusal")]), finish),
        cut=finish == "length",
        model=body.get("model"),
        tokens=_tokens(body.get("usage")),
    )


def _refusal(refusal: str, finish: str | None) -> str:
    return "a content filter stopped it" if finish == "content_filter" else refusal


def _tokens(usage: Mapping[str, Any] | None) -> Tokens | None:
    if not usage:
        return None
    details = usage.get("prompt_tokens_details") or {}
    return Tokens(
        input=int(usage.get("prompt_tokens") or 0),
        cached=int(details.get("cached_tokens") or 0),
        output=int(usage.get("completion_tokens") or 0),
    )


async def read_stream(events: AsyncIterator[Any], max_bytes: int, on_text: OnText) -> Reading:
    """Read a stream of chunks.

    Raises:
        CutOff: When it ends without a reason to finish.
    """
    text, refusal, size = "", "", 0
    finish: str | None = None
    model: object = None
    tokens: Tokens | None = None
    async for chunk in events:
        model = chunk.model
        tokens = _tokens(chunk.usage.to_dict(mode="json")) if chunk.usage else tokens
        for choice in chunk.choices[:1]:
            finish = choice.finish_reason or finish
            refusal += choice.delta.refusal or ""
            if piece := choice.delta.content:
                text += piece
                size += len(piece.encode("utf-8", "replace"))
                if size > max_bytes:
                    return too_large(max_bytes, str(model))
                on_text(text)
    if finish is None:
        raise CutOff(text)
    refusal = _refusal(refusal, finish)
    return whole(text, max_bytes, refusal=refusal, cut=finish == "length", model=model, tokens=tokens)
