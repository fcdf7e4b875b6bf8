"""The local activities `bind_call` and `evaluate`: what a call's arguments come to, and what policy says of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from temporalio import activity

from activities.catalogue import Catalogue, LoadedAgent
from activities.guardrails import registry
from activities.guardrails.contracts import Called
from activities.guardrails.judging import judge_call, together
from activities.scopes import load_scope
from activities.spending import Spending
from activities.storage.store import Store
from plangate import expressions, strictjson
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.gating import gate_of
from plangate.policy import GATED, Action, Verdict
from plangate.redaction import small
from plangate.runs import INLINE_BYTES, Result
from plangate.summary import in_words
from plangate.tasks import BindTask, Bound, Evaluated, EvaluateTask, ToolCall
from plangate.toolkit import Tool

PREVIEW = 200
"""Characters of a stored value shown in history."""
MAX_MISTAKES = 50
"""Mistakes of a call's arguments named at most."""
_BLOCKED = Verdict(action=Action.BLOCK, rule="binding", reason="the arguments could not be bound")


class BindingActivities:
    """Binding of arguments.

    Args:
        catalogue: The agents that this worker serves.
        store: The project's database.
        spending: The budgets.
    """

    def __init__(self, catalogue: Catalogue, store: Store, spending: Spending | None = None) -> None:
        self._catalogue, self._store = catalogue, store
        self._spending = spending or Spending(store)

    @activity.defn(name="bind_call")
    async def bind_call(self, task: BindTask) -> Bound:
        """Resolve, validate and default a call's arguments; note the gate if policy asks for one."""
        try:
            agent = self._catalogue.get(task.agent)
            tool = agent.tool(task.tool)
            scope = await load_scope(self._store, task.scope)
            given = expressions.resolve(task.args, scope)
        except PlangateError as error:
            return _unbound(task, task.args, error, [])
        called = call_of(agent, tool, given, task, spending=self._spending, scope=scope)
        verdicts = await judge_call(called, registry.ACTION)
        if called.mistakes is not None:
            return _unbound(task, given, called.mistakes, verdicts)
        args = dict(called.args)
        verdict, found = together(verdicts), called.flowing[1]
        bound = Bound(
            args=args,
            digest=strictjson.digest(args),
            verdict=verdict,
            summary=in_words(tool.settings.summary, tool.name, args),
            risk=risk_of(task, tool),
            provenance=found if verdict.action not in (Action.ALLOW, Action.BLOCK) else [],
            untrusted=[each.argument for each in found if not each.trusted],
            verdicts=verdicts,
        )
        return await self._settle(task, bound, tool)

    async def _settle(self, task: BindTask, bound: Bound, tool: Tool) -> Bound:
        """Store what is too large for history, or open the gate."""
        large = strictjson.size(bound.args) > INLINE_BYTES
        if large and (bound.verdict.action in GATED or task.gate is not None):
            message = (
                f"the arguments of {tool.name} are larger than {INLINE_BYTES // 1024} KiB: no person could check them"
            )
            payload = ErrorPayload(
                type=ErrorType.INVALID_ARGUMENTS, message=message, attempted=tool.name, step=task.step, attempts=0
            )
            return Bound(verdict=bound.verdict, problems=[message], error=payload, verdicts=bound.verdicts)
        if bound.verdict.action in GATED and task.gate is None:
            await self._store.open_gate(gate_of(task, bound, tool_version=tool.version))
        if bound.verdict.action is Action.ALLOW and large:
            key = f"{task.key}:args"
            text = strictjson.canonical(bound.args)
            await self._store.put_result(key=key, run=task.run, step=task.step, call=task.call, value_json=text)
            return bound.model_copy(update={"args": {}, "args_key": key})
        return bound

    @activity.defn(name="evaluate")
    async def evaluate(self, task: EvaluateTask) -> Evaluated:
        """Evaluate a condition or a list over results that history doesn't have."""
        try:
            value = expressions.evaluate(task.expression, await load_scope(self._store, task.scope))
        except PlangateError as error:
            return Evaluated(error=ErrorPayload(type=error.type, message=error.message, step=task.step))
        if not isinstance(value, list):
            return Evaluated(truth=expressions.truth(value))
        text = strictjson.canonical(value)
        size = len(text.encode("utf-8", "surrogatepass"))
        result = Result(size=size, value=value)
        if size > INLINE_BYTES or task.keep:
            await self._store.put_result(key=task.key, run=task.run, step=task.step, call=task.step, value_json=text)
            result = Result(key=task.key, size=size, inline=False, preview=text[:PREVIEW])
        return Evaluated(truth=bool(value), items=len(value), result=result)


def call_of(
    agent: LoadedAgent,
    tool: Tool,
    given: dict[str, Any],
    task: BindTask | ToolCall | None = None,
    *,
    spending: Spending | None = None,
    scope: Mapping[str, Any] = MappingProxyType({}),
) -> Called:
    """A call as guardrails see it, with its arguments bound, or with why they can't be."""
    try:
        args, mistakes = bind_arguments(tool, given), None
    except PlangateError as error:
        args, mistakes = {}, error
    return Called(agent, tool, args, task, mistakes, spending, scope)


def risk_of(task: BindTask, tool: Tool) -> str:
    """What could go wrong: the tool's author says it, and what a plan says besides doesn't take its place."""
    own, said = tool.settings.risk, task.risk
    if not said:
        return own
    if task.lineage is not None:  # an undoing's is our own
        said = f"the plan says: {said}"
    return f"{own.rstrip('.')}; {said}" if own else said


def _unbound(task: BindTask, given: dict[str, Any], error: PlangateError, verdicts: list[Verdict]) -> Bound:
    payload = ErrorPayload(
        type=error.type,
        message=error.message,
        attempted=task.tool,
        step=task.step,
        input=small(given),
        attempts=0,
        details=error.details,
    )
    problems = error.details or [error.message]
    return Bound(verdict=_BLOCKED, problems=problems, error=payload, verdicts=verdicts)


def bind_arguments(tool: Tool, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the tool gets them, as JSON: validated, with defaults.

    Raises:
        PlangateError: With type `InvalidArguments` and every mistake in its details; with `Bug` when the tool's own
            types fail.
    """
    try:
        bound: dict[str, Any] = tool.arguments.model_validate(given).model_dump(mode="json", by_alias=True)
        if not (wrong := strictjson.not_finite(bound)):
            strictjson.canonical(bound)
    except ValidationError as error:
        issues = error.errors(include_url=False)
        lines = [f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in issues[:MAX_MISTAKES]]
        raise PlangateError(
            f"the arguments of {tool.name} are not right: {'; '.join(lines[:5])}",
            type=ErrorType.INVALID_ARGUMENTS,
            details=lines,
        ) from None
    except Exception as error:  # noqa: BLE001 - a validator of the tool's own
        known = isinstance(error, ValueError)
        raise PlangateError(
            f"the arguments of {tool.name} can't be bound: {type(error).__name__}: {error}"[:2000],
            type=ErrorType.INVALID_ARGUMENTS if known else ErrorType.BUG,
        ) from None
    if wrong:
        raise PlangateError(
            f"the arguments of {tool.name} are not right: {wrong}", type=ErrorType.INVALID_ARGUMENTS, details=[wrong]
        )
    return bound
