"""What is asked of a model and what it answers, in the same shape for every API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plangate.errors import ErrorType
from plangate.runs import Usage


@dataclass(frozen=True)
class Message:
    """One message of the conversation after the instructions."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class OutputSchema:
    """The JSON schema of a structured output. Sent with `strict: false`, since a plan's arguments are free-form."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Purpose:
    """What a call is for: names its usage row and its log line."""

    run: str
    agent: str
    task: str
    """`plan`, `revise`, `answer`, …"""
    revision: int = 0
    attempt: int = 1
    max_attempts: int = 0
    """A fault in this attempt or a later one is final; 0 for never."""
    repair: int = 0
    user: str | None = None
    session: str | None = None
    rounds: int = 0
    """How often the activity had to wait for its turn before."""
    version: str = ""
    """The agent's: what another version was answered isn't used again."""

    @property
    def id(self) -> str:
        """The same for the same call, so that recording it twice is recording it once."""
        again = f":{self.rounds}" if self.rounds else ""
        return f"{self.run}:{self.task}:{self.revision}:{self.attempt}:{self.repair}{again}"

    @property
    def budget_key(self) -> str:
        """The same for all attempts, so that a retry reserves nothing twice."""
        return f"model:{self.run}:{self.task}:{self.revision}:{self.repair}"


@dataclass(frozen=True)
class ModelCall:
    """One question to a model."""

    purpose: Purpose
    model: str
    instructions: str
    messages: Sequence[Message]
    max_bytes: int
    """UTF-8 bytes of the answer's text at most."""
    schema: OutputSchema | None = None
    temperature: float | None = None
    timeout_seconds: float | None = None
    """Shorter than the settings' time-out, when less time is left."""
    patience_seconds: float = 1.5
    """How long the call may wait for its turn where it is, before its workflow does."""
    output_tokens: int | None = None
    """Fewer than the settings allow, when a budget has no room for more."""
    cache_seconds: float = 0
    """For how long the same question may get the same answer again."""
    shared: bool = False
    """The answer may be used again for another user."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of one call as the endpoint counted them. `cached` are part of `input`."""

    input: int = 0
    cached: int = 0
    output: int = 0


@dataclass(frozen=True)
class Reading:
    """What an API's reply says, before it is priced and recorded."""

    text: str = ""
    problem: ErrorType | None = None
    """`ModelEmpty`, `ModelRefused` or `ModelMalformed`: an answer came, and it is of no use."""
    explanation: str = ""
    model: str = ""
    """The model that answered, as the endpoint names it."""
    tokens: Tokens | None = None
    """None when the endpoint doesn't say."""


@dataclass(frozen=True)
class Completion:
    """A model's answer. A `problem` was billed like any other answer, so its usage counts."""

    text: str
    usage: Usage
    problem: ErrorType | None = None
    explanation: str = ""
