"""A reply of the model, before it takes the shape of an API."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from workers.offline_model import tokens
from workers.offline_model.prompts import Prompt

MODEL = "offline-1"
_MAX_CHUNKS = 400


def _id() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Reply:
    """What the model says to a prompt, and what that costs in tokens."""

    prompt: Prompt
    text: str
    refusal: bool = False
    """The text says why the model won't; it isn't an answer."""
    id: str = field(default_factory=_id)
    created: int = field(default_factory=lambda: int(time.time()))
    input_tokens: int = 0
    output_tokens: int = 0

    def counted(self) -> Reply:
        """The reply with its usage."""
        return Reply(
            prompt=self.prompt,
            text=self.text,
            refusal=self.refusal,
            id=self.id,
            created=self.created,
            input_tokens=tokens.count_messages([message.text for message in self.prompt.messages]),
            output_tokens=tokens.count(self.text),
        )

    def chunks(self) -> list[str]:
        """The text in the pieces in which it is streamed: a few words each, not more than some hundred pieces."""
        words = re.findall(r"\s*\S+\s*$|\s*\S+", self.text) or ([self.text] if self.text else [])
        size = max(3, -(-len(words) // _MAX_CHUNKS))
        return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def model_list() -> dict[str, Any]:
    """The body of `GET /v1/models`."""
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1767225600, "owned_by": "plangate"}]}


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    """An error as OpenAI's API words it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
