"""What goes in and out of the plain workflow and its activities."""

from pydantic import BaseModel


class RunRequest(BaseModel):
    """A person's request."""

    text: str


class ToolCall(BaseModel):
    """One planned call."""

    tool: str
    key: str


class Plan(BaseModel):
    """What the model proposes: calls that don't depend on each other."""

    calls: list[ToolCall]


class ToolArguments(BaseModel):
    """The argument of each read tool."""

    key: str


class Money(BaseModel):
    """An amount in a currency."""

    value: str
    currency: str


class Record(BaseModel):
    """The result of each read tool."""

    source: str
    kind: str
    key: str
    status: str
    updated: str
    amount: Money
    note: str


class AnswerRequest(BaseModel):
    """What the answering call gets to see."""

    text: str
    records: list[Record]


class RunAnswer(BaseModel):
    """The run's result."""

    answer: str
