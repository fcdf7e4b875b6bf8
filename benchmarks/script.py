"""The fake model's script: what it answers to a request of either OpenAI API.

Pure: a request's JSON goes in, a response's JSON comes out. The first call of a conversation gets the plan (when the
request asks for a plan as structured output) or the tool calls (when it offers tools); a call that has seen results
gets the answer.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.records import (
    EFFECT_NAMES,
    EFFECTS_REQUEST_TEXT,
    GATED_REQUEST_TEXT,
    GATED_TOOL,
    ONE_BY_ONE,
    RECORD_MARK,
    TOOL_NAMES,
    answer_text,
)

ORDER = "4711"
_ids = itertools.count(1)
_USAGE_IN, _USAGE_OUT = 400, 120


class UnsupportedRequest(ValueError):
    """The script has no answer to this request."""


def plan_of(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The plan for a request, in the shape that the asked-for schema names.

    Args:
        text: The whole request body, in which the person's request is found.
        schema: The JSON schema of the structured output.
    """
    tools: Sequence[str] = TOOL_NAMES
    if GATED_REQUEST_TEXT in text:
        tools = (GATED_TOOL,)
    elif EFFECTS_REQUEST_TEXT in text:
        tools = EFFECT_NAMES
    if "calls" in schema.get("properties", {}):
        return {"calls": [{"tool": name, "key": ORDER} for name in tools]}
    steps = [
        {"id": name, "title": name.replace("_", " ").capitalize(), "tool": name, "args": {"key": ORDER}}
        for name in tools
    ]
    return {"action": "plan", "message": "", "plan": {"goal": "Answer the request", "steps": steps}}


def decide(request: Mapping[str, Any], body: str) -> tuple[str, str | list[str]]:
    """What to answer: its kind (`plan`, `tools`, `answer`) and the text, or the names of the tools to call.

    Raises:
        UnsupportedRequest: The request asks for a stream.
    """
    if request.get("stream"):
        raise UnsupportedRequest("the benchmark's model does not stream")
    records = body.count(RECORD_MARK)
    schema = _output_schema(request)
    if schema is not None and {"plan", "calls"} & set(schema.get("properties", {})):
        return "plan", json.dumps(plan_of(body, schema))
    offered = _offered(request.get("tools") or ())
    if offered and ONE_BY_ONE in body and records < len(offered):
        return "tools", offered[records : records + 1]
    if offered and records == 0:
        return "tools", offered
    if schema is not None:
        return "answer", json.dumps({next(iter(schema["properties"])): answer_text(records)})
    return "answer", answer_text(records)


def _output_schema(request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    chat = request.get("response_format") or {}
    schema: Mapping[str, Any] | None = None
    if chat.get("type") == "json_schema":
        schema = chat["json_schema"].get("schema")
    responses = (request.get("text") or {}).get("format") or {}
    if responses.get("type") == "json_schema":
        schema = responses.get("schema")
    return schema


def _offered(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [tool.get("name") or tool.get("function", {}).get("name") for tool in tools]
    return [name for name in names if name in TOOL_NAMES]


def chat_completion(request: Mapping[str, Any], kind: str, content: str | list[str]) -> dict[str, Any]:
    """A Chat Completions response."""
    number = next(_ids)
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if kind == "tools":
        message["tool_calls"] = [
            {"id": f"call_{number}_{name}", "type": "function", "function": {"name": name, "arguments": _arguments()}}
            for name in content
        ]
    else:
        message["content"] = content
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1767225600,
        "model": request.get("model", "bench-model"),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if kind == "tools" else "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": _USAGE_IN,
            "completion_tokens": _USAGE_OUT,
            "total_tokens": _USAGE_IN + _USAGE_OUT,
        },
    }


def response_object(request: Mapping[str, Any], kind: str, content: str | list[str]) -> dict[str, Any]:
    """A Responses API response."""
    number = next(_ids)
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1767225600,
        "status": "completed",
        "model": request.get("model", "bench-model"),
        "output": _output_items(number, kind, content),
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": _USAGE_IN,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": _USAGE_OUT,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": _USAGE_IN + _USAGE_OUT,
        },
    }


def _output_items(number: int, kind: str, content: str | list[str]) -> list[dict[str, Any]]:
    if kind == "tools":
        return [
            {
                "type": "function_call",
                "id": f"fc_{number}_{name}",
                "call_id": f"call_{number}_{name}",
                "name": name,
                "arguments": _arguments(),
                "status": "completed",
            }
            for name in content
        ]
    return [
        {
            "type": "message",
            "id": f"msg_{number}",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": content, "annotations": [], "logprobs": []}],
        }
    ]


def _arguments() -> str:
    return json.dumps({"key": ORDER})
