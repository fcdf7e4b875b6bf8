from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

import plangate
from plangate import ErrorType, ToolContext, ToolError, tool
from plangate.errors import ErrorKind
from plangate.tool_policy import ToolPolicy
from plangate.toolkit import TOOL_ATTRIBUTE, Tool


class Money(BaseModel):
    value: float
    currency: str = "GBP"


def tool_of(function: Any) -> Tool:
    return getattr(function, TOOL_ATTRIBUTE)  # type: ignore[no-any-return]


@tool(effect="consequential", idempotency="key", summary="Refund {amount}", timeout=10, retries=2, retry_max=5)
async def refund(ctx: ToolContext, order: Annotated[str, Field(description="Its number")], amount: Money) -> str:
    """Refund a payment."""
    return f"{order} {amount.value} {ctx.run}"


async def test_a_tool_stays_a_function() -> None:
    assert await refund(ToolContext(run="r"), "1", Money(value=2)) == "1 2.0 r"


def test_the_schema_comes_from_the_types_without_the_context() -> None:
    made = tool_of(refund)
    assert (made.name, made.description, made.context_parameter, made.is_async) == (
        "refund", "Refund a payment.", "ctx", True,
    )  # fmt: skip
    assert set(made.schema["properties"]) == {"order", "amount"}
    assert made.schema["required"] == ["order", "amount"]
    assert made.schema["properties"]["order"]["description"] == "Its number"
    assert made.schema["additionalProperties"] is False


def test_the_policy_bounds_attempts_and_time() -> None:
    policy = tool_of(refund).policy("when")
    assert (policy.name, policy.effect.value, policy.idempotency.value, policy.rule) == (
        "refund", "consequential", "key", "when",
    )  # fmt: skip
    assert (policy.timeout_seconds, policy.retries.max_attempts, policy.retries.max_seconds) == (10, 3, 5)
    assert policy.total_seconds == 300
    assert tool_of(look_long()).policy().total_seconds == 1000 * 4 + 60 * 3


def look_long() -> Any:
    @tool(effect="read", timeout=1000)
    def look() -> str:
        """Look."""
        return ""

    return look


def test_a_tool_that_nobody_described_is_consequential_and_asks() -> None:
    policy = ToolPolicy(name="x")
    assert (policy.effect.value, policy.rule) == ("consequential", "ask")


def made_with(source: str, **settings: Any) -> Tool:
    space: dict[str, Any] = {"ToolContext": ToolContext, "Any": Any, "Money": Money, "Opaque": object}
    exec(f"def t({source}:\n  'Do it.'", space)
    return tool_of(tool(**{"effect": "read", **settings})(space["t"]))


def test_the_version_changes_with_what_the_tool_is() -> None:
    tools = [
        made_with("a: int) -> str"), made_with("a: str) -> str"), made_with("a: int = 1) -> str"),
        made_with("a: int) -> str", timeout=5), made_with("a: int) -> str", effect="write"),
    ]  # fmt: skip
    versions = {each.version for each in tools}
    assert len(versions) == len(tools)
    assert made_with("a: int) -> str").version in versions


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a) -> str", "the parameter 'a' needs a type"),
        ("a: int)", "needs a return type"),
        ("*a: int) -> str", "name each argument"),
        ("**a: int) -> str", "name each argument"),
        ("a: int, /) -> str", "remove the `/`"),
        ("_a: int) -> str", "'_a' can't be the name of an argument"),
        ("model_config: int) -> str", "'model_config' can't be the name of an argument"),
        ("model_dump: int) -> str", "can't be described as JSON"),
        ("a: type('X', (), {})) -> str", "can't be described as JSON"),
        ("a: int) -> type('X', (), {})", "can't be described as JSON"),
        ("ctx: ToolContext | None) -> str", "can't be described as JSON"),
        ("a: set[str]) -> str", "take a list"),
        ("a: dict[str, list[frozenset[int]]]) -> str", "take a list"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused_by_name(source: str, words: str) -> None:
    with pytest.raises(TypeError, match="tool 't'") as caught:
        made_with(source)
    assert words in str(caught.value)


def test_a_tool_needs_a_docstring() -> None:
    def bare() -> str:
        return ""

    with pytest.raises(TypeError, match="needs a docstring"):
        tool(effect="read")(bare)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"effect": "reed"}, "effect: "),
        ({"idempotency": "maybe"}, "idempotency: "),
        ({"timeout": 0}, "timeout: "),
        ({"retries": -1}, "retries: "),
        ({"timeout": 30, "total_timeout": 20}, "total_timeout must not be shorter"),
        ({"timeout": 5, "heartbeat": 5}, "heartbeat must be shorter"),
        ({"idempotency": "ledger"}, "a `ledger` tool is async"),
        ({"idempotency": "check"}, "`read_back` goes with"),
        ({"read_back": lambda: None}, "`read_back` goes with"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match="tool 't'") as caught:
        made_with("a: int) -> str", **settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "type", "kind"),
    [
        ({}, ErrorType.BUSINESS, ErrorKind.BUSINESS),
        ({"transient": True, "retry_after": 3}, ErrorType.UNAVAILABLE, ErrorKind.TRANSIENT),
        ({"permanent": True}, ErrorType.PERMANENT, ErrorKind.PERMANENT),
        ({"type": ErrorType.RATE_LIMITED}, ErrorType.RATE_LIMITED, ErrorKind.TRANSIENT),
    ],
)
def test_a_tool_error_says_how_it_is_to_be_taken(flags: dict[str, Any], type: ErrorType, kind: ErrorKind) -> None:
    error = ToolError("why", **flags)
    assert (error.type, error.type.kind, error.message, error.retry_after) == (
        type, kind, "why", flags.get("retry_after"),
    )  # fmt: skip


def test_an_error_is_not_both_transient_and_permanent() -> None:
    with pytest.raises(TypeError):
        ToolError("x", transient=True, permanent=True)


def test_the_kit_is_what_the_package_offers() -> None:
    assert all(getattr(plangate, name) is not None for name in plangate.__all__)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = plangate.nothing_like_it
