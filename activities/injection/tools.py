"""Faults of tool calls in a worker: kill points, and tools that go wrong. By default there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from activities.injection.answers import INJECTED, retry_after_header
from activities.injection.drift import drifted
from activities.injection.dying import strike_at
from activities.injection.injector import Injector
from activities.models.errors import retry_after_seconds
from plangate.compensation import UNDO
from plangate.errors import ErrorType
from plangate.faultplan import FaultRule
from plangate.faults import Fault, KillPoint
from plangate.tasks import ToolCall
from plangate.tool_context import ToolError
from plangate.toolkit import Tool

Work = Callable[[], Awaitable[Any]]


class NoFaults:
    """Where faults could be injected into a tool call, and none is."""

    def at(self, point: KillPoint, tool: Tool, call: ToolCall) -> None:
        """A consequential call has come to this point."""

    async def around(self, tool: Tool, call: ToolCall, work: Work) -> Any:
        """Call the tool's function."""
        return await work()


NO_FAULTS = NoFaults()


class ToolFaults(NoFaults):
    """Injects the faults of a plan.

    Args:
        injector: The plan in force.
    """

    def __init__(self, injector: Injector) -> None:
        self._injector = injector

    def at(self, point: KillPoint, tool: Tool, call: ToolCall) -> None:
        """A consequential call has come to this point: the worker may die here."""
        facts = {"tool": tool.name, "agent": call.agent, "run": call.run, "mode": tool.settings.idempotency.value}
        about = {"run": call.run, "step": call.call, "tool": tool.name}
        strike_at(self._injector, point, facts, about)
        if point is KillPoint.AFTER_EFFECT and call.step.endswith(UNDO):
            strike_at(self._injector, KillPoint.IN_COMPENSATION, facts, about)

    async def around(self, tool: Tool, call: ToolCall, work: Work) -> Any:
        """Call the tool's function, or let it go wrong."""
        facts = {"tool": tool.name, "agent": call.agent, "run": call.run}
        about = {"run": call.run, "step": call.call, "tool": tool.name}
        names = {tool.name, tool.dependency} - {"payments", "mail"}  # these strike where they live: at the services
        rule = self._injector.pick(names, tool.name, facts, about=about)
        if rule is None:
            return await work()
        return await _gone_wrong(rule, tool, work)


async def _gone_wrong(rule: FaultRule, tool: Tool, work: Work) -> Any:
    match rule.fault:
        case Fault.SLOW:
            await asyncio.sleep(rule.delay)
            return await work()
        case Fault.HANG:
            await asyncio.sleep(min(rule.delay, tool.settings.timeout * 0.95))
            raise TimeoutError(f"no answer ({INJECTED})")
        case Fault.EFFECT_THEN_TIMEOUT:
            await work()
            raise TimeoutError(f"no answer ({INJECTED})")
        case Fault.EFFECT_THEN_ERROR:
            await work()
            raise ToolError(f"the answer was an error ({INJECTED})", transient=True)
        case Fault.DRIFT:
            return drifted(tool.returns.dump_python(await work(), mode="json"), rule)
    raise _error(rule)


def _error(rule: FaultRule) -> Exception:
    said = f"{rule.fault.value.replace('_', ' ')} ({INJECTED})"
    match rule.fault:
        case Fault.RATE_LIMITED | Fault.UNAVAILABLE:
            headers = {"retry-after": retry_after_header(rule.retry_after)} if rule.retry_after is not None else {}
            limited = rule.fault is Fault.RATE_LIMITED
            kind = ErrorType.RATE_LIMITED if limited else ErrorType.UNAVAILABLE
            return ToolError(said, transient=True, retry_after=retry_after_seconds(headers), type=kind)
        case Fault.NETWORK:
            return ToolError(said, transient=True, type=ErrorType.NETWORK)
        case Fault.TIMEOUT:
            return ToolError(said, transient=True, type=ErrorType.TIMEOUT)
        case Fault.REJECTED:
            return ToolError(said, permanent=True)
        case Fault.BUSINESS:
            return ToolError(said)
    return RuntimeError(said)
