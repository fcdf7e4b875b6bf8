"""The tool author's kit: `@tool`, `ToolContext`, `ToolError`.

    from plangate import ToolContext, ToolError, tool

    @tool(effect="consequential", idempotency="key", summary="Refund {amount} for order {order_id}")
    async def refund_payment(ctx: ToolContext, order_id: str, amount: Amount) -> Refund:
        '''Refund a payment, in whole or in part.'''

A tool is a typed function, sync or async. Its JSON schema comes from its types, its description from its docstring.
"""

from __future__ import annotations

import hashlib
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, create_model, field_validator

from plangate.breakers import OnOpen
from plangate.compensation import Compensation
from plangate.provenance import Trust
from plangate.strictjson import digest
from plangate.tool_context import ToolContext
from plangate.tool_policy import Effect, Idempotency, RetrySettings, ToolPolicy


class ToolSettings(BaseModel):
    """The arguments of `@tool`, validated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    effect: Effect
    idempotency: Idempotency
    timeout: float = Field(default=30.0, gt=0, le=86400)
    total_timeout: float | None = Field(default=None, gt=0, le=7 * 86400)
    heartbeat: float | None = Field(default=None, gt=0, le=3600)
    retries: int = Field(default=3, ge=0, le=99)
    retry_initial: float = Field(default=1.0, gt=0, le=3600)
    retry_max: float = Field(default=60.0, gt=0, le=86400)
    dependency: str = Field(default="", max_length=200)
    on_open: OnOpen = OnOpen.WAIT
    summary: str = ""
    risk: str = ""
    compensation: Compensation | None = None
    returns: dict[str, Trust] = Field(default_factory=dict)
    """`*` or the dotted path of a field of the result → what its author says of it."""
    targets: frozenset[str] = frozenset()
    """Arguments that name whom or what a call is about."""

    @field_validator("returns", mode="before")
    @classmethod
    def _of_all(cls, value: Any) -> Any:
        """`"trusted"` is `{"*": "trusted"}`."""
        return {"*": value} if isinstance(value, str) else value


@dataclass(frozen=True)
class Tool:
    """A tool as its agent folder defines it."""

    name: str
    function: Callable[..., Any]
    description: str
    arguments: type[BaseModel]
    returns: TypeAdapter[Any]
    settings: ToolSettings
    context_parameter: str | None
    is_async: bool
    version: str
    read_back: Callable[..., Any] | None = None
    """For `check` tools: an async function of the same parameters that returns what the tool would have returned
    when the effect happened, `None` when it did not, and raises `ToolError` when it can't tell."""

    @property
    def dependency(self) -> str:
        """The name of its circuit breaker."""
        return self.settings.dependency or f"tool:{self.name}"

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.arguments.model_json_schema()

    @property
    def result_schema(self) -> dict[str, Any] | None:
        """The JSON schema of the result; None where its type has none."""
        try:
            return self.returns.json_schema(mode="serialization")
        except (PydanticUserError, ValueError):
            return None

    def policy(self, rule: str = "ask", *, guarded: bool = False) -> ToolPolicy:
        """What the workflow needs to call this tool."""
        s = self.settings
        retries = RetrySettings(
            max_attempts=s.retries + 1, initial_seconds=s.retry_initial, max_seconds=max(s.retry_max, s.retry_initial)
        )
        total = s.total_timeout or max(300.0, s.timeout * (s.retries + 1) + s.retry_max * s.retries)
        return ToolPolicy(
            name=self.name,
            version=self.version,
            effect=s.effect,
            idempotency=s.idempotency,
            timeout_seconds=s.timeout,
            total_seconds=total,
            heartbeat_seconds=s.heartbeat,
            retries=retries,
            dependency=s.dependency,
            on_open=s.on_open,
            summary=s.summary,
            compensation=s.compensation,
            rule=rule,
            guarded=guarded,
        )


F = TypeVar("F", bound=Callable[..., Any])
TOOL_ATTRIBUTE = "__plangate_tool__"


def tool(
    *,
    effect: str | Effect,
    idempotency: str | Idempotency = Idempotency.NATURAL,
    timeout: float = 30.0,
    total_timeout: float | None = None,
    heartbeat: float | None = None,
    retries: int = 3,
    retry_initial: float = 1.0,
    retry_max: float = 60.0,
    dependency: str = "",
    on_open: str | OnOpen = OnOpen.WAIT,
    summary: str = "",
    risk: str = "",
    compensation: Compensation | None = None,
    read_back: Callable[..., Any] | None = None,
    returns: str | Mapping[str, str] = "untrusted",
    targets: Collection[str] = (),
) -> Callable[[F], F]:
    """Make a typed function a tool. The function itself stays callable as it was, for tests.

    Args:
        effect: `read`, `write` or `consequential`.
        idempotency: `natural`, `key`, `ledger` or `check`; a consequential tool has to choose one.
        timeout: Seconds one attempt may take (start to close).
        total_timeout: Seconds all attempts may take together (schedule to close).
        heartbeat: Seconds without a heartbeat after which the attempt counts as dead; Plangate beats beside the tool.
        retries: Attempts after the first, for transient errors.
        retry_initial: Seconds before the first retry; doubled each time, with jitter.
        retry_max: Seconds between two attempts at most.
        dependency: The host or service that the tool depends on, for example `payments`. Tools that name the same one
            share its circuit breaker; a tool that names none has one of its own.
        on_open: What a step does while the dependency is down: `wait`, `fallback` or `escalate`.
        summary: A format string over the arguments, shown to people: `"Refund {amount} for order {order_id}"`.
        risk: What could go wrong, shown to the person who approves.
        compensation: How the effect is undone when the run fails or is cancelled later.
        read_back: For `check` tools: an async function with the tool's parameters that finds out whether the effect
            happened. Returns the tool's result if it did, `None` if not; raises `ToolError` when it can't tell.
        returns: Whose words the result holds: `trusted` (ours: its numbers, choices, dates and texts of a fixed pattern
            can be relied on; its free text can't), `untrusted`, `document` or `web`; or by field:
            `{"*": "trusted", "notes": "document"}`. A field that is named as `trusted` is vouched for, free text too.
        targets: Arguments that name whom or what the call is about: recipients, orders, accounts.

    Raises:
        TypeError: When the function or a setting is not usable; the message names the tool and what is wrong.
    """

    def decorate(function: F) -> F:
        settings = _settings(
            function,
            effect=effect,
            idempotency=idempotency,
            timeout=timeout,
            total_timeout=total_timeout,
            heartbeat=heartbeat,
            retries=retries,
            retry_initial=retry_initial,
            retry_max=retry_max,
            dependency=dependency,
            on_open=on_open,
            summary=summary,
            risk=risk,
            compensation=compensation,
            returns={} if returns == "untrusted" else returns,
            targets=targets if isinstance(targets, str) else frozenset(targets),
        )
        if (read_back is not None) != (settings.idempotency is Idempotency.CHECK):
            raise TypeError(f"tool {function.__name__!r}: `read_back` goes with idempotency='check', and only with it")
        setattr(function, TOOL_ATTRIBUTE, replace(make_tool(function, settings), read_back=read_back))
        return function

    return decorate


def _settings(function: Callable[..., Any], **values: Any) -> ToolSettings:
    name = function.__name__
    try:
        settings = ToolSettings(**values)
    except ValueError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in getattr(error, "errors", list)())
        raise TypeError(f"tool {name!r}: {problems}") from None
    if settings.total_timeout is not None and settings.total_timeout < settings.timeout:
        raise TypeError(f"tool {name!r}: total_timeout must not be shorter than timeout")
    if settings.heartbeat is not None and settings.heartbeat >= settings.timeout:
        raise TypeError(f"tool {name!r}: heartbeat must be shorter than timeout")
    if settings.compensation is not None and settings.effect is Effect.READ:
        raise TypeError(f"tool {name!r}: it only reads, so there is nothing to undo")
    for problem in settings.compensation.problems() if settings.compensation else []:
        raise TypeError(f"tool {name!r}: {problem}")
    if settings.idempotency is Idempotency.LEDGER and not inspect.iscoroutinefunction(function):
        raise TypeError(f"tool {name!r}: a `ledger` tool is async, since it writes through `ctx.database`")
    return settings


def make_tool(function: Callable[..., Any], settings: ToolSettings) -> Tool:
    """Build the `Tool` of a typed function.

    Raises:
        TypeError: When a parameter or the result has no type or one that isn't JSON, or there is no docstring.
    """
    name = function.__name__
    doc = inspect.getdoc(function)
    if not doc:
        raise TypeError(f"tool {name!r} needs a docstring: the planner reads it to know what the tool is for")
    hints = typing.get_type_hints(function, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"tool {name!r} needs a return type: what a tool returns is checked against it")
    context, fields = _parameters(name, function, hints)
    try:
        arguments = create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid", frozen=True), **fields)
        schema, returns = arguments.model_json_schema(), TypeAdapter(hints["return"])
    except (PydanticUserError, NameError, ValueError) as error:
        raise TypeError(f"tool {name!r}: its types can't be described as JSON: {str(error).splitlines()[0]}") from None
    if lost := sorted(fields.keys() - arguments.model_fields.keys()):
        raise TypeError(f"tool {name!r}: {lost[0]!r} can't be the name of an argument")
    if unknown := sorted(settings.targets - arguments.model_fields.keys()):
        raise TypeError(f"tool {name!r}: its target {unknown[0]!r} is no argument of it")
    if _has_sets(schema):
        raise TypeError(f"tool {name!r}: a set has no order to approve it in; take a list")
    version = digest([name, schema, _shown(settings), _source_digest(function)])[:16]
    return Tool(
        name=name,
        function=function,
        description=doc,
        arguments=arguments,
        returns=returns,
        settings=settings,
        context_parameter=context,
        is_async=inspect.iscoroutinefunction(function),
        version=version,
    )


def _shown(settings: ToolSettings) -> dict[str, Any]:
    """A tool's settings as its version has them: without those that came later and aren't used."""
    later: dict[str, Any] = {"compensation": None, "on_open": OnOpen.WAIT, "returns": {}, "targets": frozenset()}
    unset = {name for name, default in later.items() if getattr(settings, name) == default}
    shown = settings.model_dump(mode="json", exclude=unset)
    return shown | ({"targets": sorted(settings.targets)} if settings.targets else {})


def _parameters(name: str, function: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    context: str | None = None
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"tool {name!r}: {parameter.name!r} can't be given by name; remove the `/`")
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"tool {name!r}: `*{parameter.name}` can't be described to a planner; name each argument")
        hint = hints.get(parameter.name)
        if hint is None:
            raise TypeError(f"tool {name!r}: the parameter {parameter.name!r} needs a type")
        if hint is ToolContext:
            context = parameter.name
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hint, default)
    return context, fields


def _has_sets(schema: Any) -> bool:
    if isinstance(schema, dict):
        return schema.get("uniqueItems") is True or any(_has_sets(each) for each in schema.values())
    return isinstance(schema, list) and any(_has_sets(each) for each in schema)


def _source_digest(function: Callable[..., Any]) -> str:
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        source = function.__code__.co_code.hex()
    return hashlib.sha256(source.encode()).hexdigest()[:16]
